#include "loader/import/known_values.h"

namespace headrace {
namespace {

// Larger than any shape, condition or table of indices; what is larger is data.
constexpr int64_t kLargestBytes = int64_t{1} << 26;

bool draws(const Node& node) { return node.op == "Dropout" || node.op == "RandomUniform"; }

}  // namespace

const HostTensor* KnownValues::find(ValueId id) {
  // Producers before what they feed, without recursion: chains may be long.
  std::vector<ValueId> pending = {id};
  while (!pending.empty()) {
    const ValueId top = pending.back();
    const Value& value = graph_.value(top);
    if (contents_.count(top) > 0) {
      pending.pop_back();
      continue;
    }
    const bool evaluated = value.role == Role::computed && evaluate_ &&
                           !draws(graph_.node(value.producer)) &&
                           value.type.bytes() <= kLargestBytes;
    if (!evaluated) {
      contents_[top] = value.role == Role::constant ? value.data : HostTensor{};
      continue;
    }
    const Node& node = graph_.node(value.producer);
    std::vector<HostTensor> arguments;
    const size_t waiting = pending.size();
    bool known = true;
    for (const ValueId input : node.inputs) {
      const auto it = contents_.find(input);
      if (input == kNoValue) {
        arguments.emplace_back();
      } else if (it == contents_.end()) {
        pending.push_back(input);
      } else {
        known = known && it->second;
        arguments.push_back(it->second);
      }
    }
    if (pending.size() > waiting) continue;
    std::vector<HostTensor> results;
    if (known) results = evaluate_(node, arguments);
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kNoValue)
        contents_[node.outputs[i]] = i < results.size() ? results[i] : HostTensor{};
  }
  const HostTensor& found = contents_[id];
  return found ? &found : nullptr;
}

}  // namespace headrace
