#include "plugins/partitioners/chain.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string>

namespace headrace::partitioners {

std::vector<int> allowed_cuts(const sdk::PartitionRequest& request) {
  std::map<int, int> last_of_group;
  for (int node = 0; node < request.nodes(); ++node)
    if (request.colocate(node) >= 0) last_of_group[request.colocate(node)] = node;
  std::vector<int> cuts{0};
  int closed_until = 0;  // no cut before the end of the groups that have begun
  for (int node = 0; node < request.nodes(); ++node) {
    const int group = request.colocate(node);
    closed_until = std::max(closed_until, group >= 0 ? last_of_group[group] : node);
    if (closed_until <= node) cuts.push_back(node + 1);
  }
  return cuts;
}

void check_enough_pieces(const std::vector<int>& cuts, int stages) {
  const int pieces = static_cast<int>(cuts.size()) - 1;
  if (pieces < stages)
    throw std::invalid_argument("the graph has " + std::to_string(pieces) +
                                " pieces that can be cut apart, too few for " +
                                std::to_string(stages) + " stages; use fewer");
}

std::vector<int> cuts_at_shares(const std::vector<int>& allowed, const std::vector<int64_t>& before,
                                int stages) {
  std::vector<int> cuts{0};
  size_t first = 1;  // the least index into `allowed` that leaves no stage empty
  for (int stage = 1; stage < stages; ++stage, ++first) {
    const size_t last = allowed.size() - 1 - static_cast<size_t>(stages - stage);
    const double share = static_cast<double>(before.back()) * stage / stages;
    const auto miss = [&](size_t i) { return std::abs(static_cast<double>(before[i]) - share); };
    for (size_t i = first; i <= last; ++i)
      if (miss(i) < miss(first)) first = i;
    cuts.push_back(allowed[first]);
  }
  cuts.push_back(allowed.back());
  return cuts;
}

std::vector<int> stages_of(const std::vector<int>& cuts) {
  std::vector<int> stage(static_cast<size_t>(cuts.back()));
  for (size_t s = 0; s + 1 < cuts.size(); ++s)
    std::fill(stage.begin() + cuts[s], stage.begin() + cuts[s + 1], static_cast<int>(s));
  return stage;
}

Chain::Chain(const sdk::PartitionRequest& r)
    : devices(r.devices()),
      microbatches(r.microbatches()),
      ramp_stages(r.stages() == r.devices() ? 0 : r.devices() - 1),
      seconds(static_cast<size_t>(r.nodes())),
      parameter_bytes(seconds.size()),
      activation_bytes(seconds.size()),
      uses(seconds.size()),
      outputs(seconds.size()),
      cuts(allowed_cuts(r)) {
  for (int s = 0; s < r.stages(); ++s)
    stages.push_back(
        {r.device(s), 1 / r.speed(r.device(s)), r.memory_bytes(r.device(s)), r.in_flight(s)});
  in_rounds = r.stages() > r.devices();
  for (int s = r.devices(); s < r.stages(); ++s) in_rounds &= r.device(s) == r.device(s - devices);
  for (int node = 0; node < r.nodes(); ++node) {
    const auto i = static_cast<size_t>(node);
    seconds[i] = r.forward_s(node) + r.backward_input_s(node) + r.backward_weight_s(node);
    parameter_bytes[i] = r.parameter_bytes(node);
    activation_bytes[i] = r.activation_bytes(node);
  }

  if (!r.has_values()) throw std::invalid_argument("needs a host of ABI 1.2 or later");
  host = r.host_communication();
  // On one device nothing is transferred, and beside the compute it costs nothing here.
  for (int i = 0; i < r.values() && r.devices() > 1 && !r.overlapped(); ++i) {
    sdk::Value of = r.value(i);
    if (of.seconds <= 0 || of.readers.empty()) continue;
    const int index = static_cast<int>(values.size());
    Value value{.producer = of.producer, .readers = std::move(of.readers), .seconds = of.seconds};
    int previous = -1;
    for (const int reader : value.readers) {
      uses[static_cast<size_t>(reader)].push_back({index, previous});
      previous = reader;
      if (reader < value.producer) value.reader_before = reader;
    }
    outputs[static_cast<size_t>(value.producer)].push_back(index);
    values.push_back(std::move(value));
  }
}

}  // namespace headrace::partitioners
