#include "scheduler/links.h"

namespace headrace {

bool Links::in_same_node(int from_device, int to_device) const {
  return !node.empty() && node.at(from_device) == node.at(to_device);
}

Link Links::between(int from_device, int to_device) const {
  for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair)
    if (pair->from == from_device && pair->to == to_device) return pair->link;
  if (in_same_node(from_device, to_device)) return in_node;
  return {.latency_s = latency_s, .bytes_per_s = bytes_per_s};
}

}  // namespace headrace
