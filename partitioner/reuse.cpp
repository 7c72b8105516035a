#include "partitioner/reuse.h"

#include <algorithm>
#include <set>

namespace headrace {
namespace {

// Bytes by the moment of their last use, with sums of the latest (Fenwick, Software 1994).
class Recency {
 public:
  explicit Recency(size_t moments) : sums_(moments + 1) {}

  void add(size_t moment, double bytes) {
    for (size_t i = moment + 1; i < sums_.size(); i += i & (~i + 1)) sums_[i] += bytes;
    all_ += bytes;
  }

  double since(size_t moment) const {
    double before = 0;
    for (size_t i = moment + 1; i > 0; i &= i - 1) before += sums_[i];
    return all_ - before;
  }

 private:
  std::vector<double> sums_;
  double all_ = 0;
};

struct Operand {
  ValueId storage = kNoValue;
  double bytes = 0;
  bool scratch = false;  // written here, and read in this phase only
};

// Of every node, each storage once.
std::vector<std::vector<Operand>> operands_of(const TrainingGraph& training) {
  const Graph& graph = training.graph;
  const auto root = storage_roots(graph);
  std::vector<bool> kept(graph.values().size());
  for (const Node& node : graph.nodes())
    for (const ValueId input : node.inputs)
      if (input != kNoValue) {
        const NodeId producer = graph.value(root[index(input)]).producer;
        if (producer != kNoNode && graph.node(producer).phase != node.phase)
          kept[index(root[index(input)])] = true;
      }
  for (const auto& gradient : training.gradients)
    for (const ValueId contribution : gradient.contributions)
      kept[index(root[index(contribution)])] = true;

  std::vector<std::vector<Operand>> operands;
  for (const Node& node : graph.nodes()) {
    auto& list = operands.emplace_back();
    if (node.op == "Reshape") continue;  // touches nothing
    std::set<ValueId> seen;
    const auto touch = [&](ValueId id, bool written) {
      if (id == kNoValue || !seen.insert(root[index(id)]).second) return;
      const ValueId storage = root[index(id)];
      list.push_back({storage, static_cast<double>(graph.value(storage).bytes()),
                      written && !kept[index(storage)]});
    };
    for (const ValueId input : node.inputs) touch(input, false);
    for (const ValueId output : node.outputs) touch(output, true);
  }
  return operands;
}

}  // namespace

std::vector<double> cold_shares(const TrainingGraph& training, double cache_bytes) {
  constexpr size_t kPasses = 2;  // the first fills the cache
  constexpr size_t kNever = ~size_t{0};
  const auto operands = operands_of(training);
  size_t moments = 0;
  for (const auto& list : operands) moments += list.size();
  Recency recency(kPasses * moments);
  std::vector<size_t> last(training.graph.values().size(), kNever);
  std::vector<double> shares(operands.size());
  size_t now = 0;
  for (size_t pass = 0; pass < kPasses; ++pass) {
    for (size_t n = 0; n < operands.size(); ++n) {
      double bytes = 0, cold = 0;
      for (const Operand& operand : operands[n]) {
        size_t& used = last[index(operand.storage)];
        const bool there = operand.scratch ||
                           (used != kNever && recency.since(used) + operand.bytes <= cache_bytes);
        bytes += operand.bytes;
        if (!there) cold += operand.bytes;
        if (used != kNever) recency.add(used, -operand.bytes);
        used = now++;
        recency.add(used, operand.bytes);
      }
      shares[n] = bytes > 0 ? cold / bytes : 0;
    }
  }
  return shares;
}

}  // namespace headrace
