#include "executor/chains.h"

#include <algorithm>
#include <map>
#include <utility>

namespace headrace {
namespace {

struct Growing {
  std::vector<ChainLink> links;
  Chain chain;
  size_t last = 0;  // its last node's place among the nodes
};

class ChainFinder {
 public:
  ChainFinder(const Graph& graph, const DeviceOrder& order, Device& device, const ChainRules& rules)
      : graph_(graph), device_(device), rules_(rules), readers_(graph.consumers()) {
    for (size_t s = 0; s < order.steps.size(); ++s) {
      for (size_t t = order.steps[s].begin; t < order.steps[s].end; ++t) {
        const NodeId node = order.turns[t].node;
        auto [steps, fresh] = steps_.try_emplace(node);
        if (fresh) nodes_.push_back(node);
        steps->second.push_back(s);
      }
    }
  }

  std::vector<Chain> find() {
    for (size_t place = 0; place < nodes_.size(); ++place) {
      const NodeId node = nodes_[place];
      const Node& n = graph_.node(node);
      if (n.outputs.size() != 1 || !rules_.may_end(n.outputs[0])) continue;
      KernelRequest request = kernel_request(graph_, n);
      if (!device_.chains(request)) continue;
      if (!grow(place, request)) start(place, std::move(request));
    }
    std::vector<Chain> found;
    for (Growing& growing : chains_)
      if (growing.chain.nodes.size() > 1) found.push_back(std::move(growing.chain));
    return found;
  }

 private:
  void start(size_t place, KernelRequest request) {
    const NodeId node = nodes_[place];
    ending_in_[node] = chains_.size();
    chains_.push_back({.links = {{std::move(request), 0}},
                       .chain = {{node}, graph_.node(node).inputs, nullptr},
                       .last = place});
  }

  // Puts the node behind a chain that ends in what one of its inputs is made by.
  bool grow(size_t place, const KernelRequest& request) {
    const NodeId node = nodes_[place];
    const std::vector<ValueId>& inputs = graph_.node(node).inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!is_taken_alone(inputs[i], node)) continue;
      const auto ending = ending_in_.find(graph_.value(inputs[i]).producer);
      if (ending == ending_in_.end() || steps_[ending->first] != steps_[node]) continue;
      Growing& growing = chains_[ending->second];
      if (!std::ranges::all_of(growing.chain.inputs, rules_.may_wait)) continue;
      // What the chain reads is held while others run that stand before the node.
      if (growing.last + 1 < place && held_bytes(growing.chain) > graph_.value(inputs[i]).bytes())
        continue;
      growing.links.push_back({request, i});
      auto kernel = device_.prepare_chain(growing.links);
      if (kernel == nullptr) {
        growing.links.pop_back();
        continue;
      }
      growing.chain.kernel = std::move(kernel);
      growing.chain.nodes.push_back(node);
      growing.last = place;
      for (size_t other = 0; other < inputs.size(); ++other)
        if (other != i) growing.chain.inputs.push_back(inputs[other]);
      ending_in_[node] = ending->second;
      ending_in_.erase(ending);
      return true;
    }
    return false;
  }

  // Bytes of values that nobody needs any longer once the chain has read them.
  int64_t held_bytes(const Chain& chain) const {
    int64_t bytes = 0;
    for (const ValueId input : chain.inputs) {
      if (input == kNoValue || graph_.value(input).producer == kNoNode) continue;
      if (std::ranges::count(chain.nodes, readers_[index(input)].back()) > 0)
        bytes += graph_.value(input).bytes();
    }
    return bytes;
  }

  bool is_taken_alone(ValueId value, NodeId by) const {
    if (value == kNoValue || graph_.value(value).producer == kNoNode) return false;
    return readers_[index(value)] == std::vector{by} &&
           std::ranges::count(graph_.node(by).inputs, value) == 1 && rules_.may_vanish(value);
  }

  const Graph& graph_;
  Device& device_;
  const ChainRules& rules_;
  const std::vector<std::vector<NodeId>> readers_;
  std::vector<NodeId> nodes_;                    // in the order of their first turns
  std::map<NodeId, std::vector<size_t>> steps_;  // that they have turns in
  std::vector<Growing> chains_;
  std::map<NodeId, size_t> ending_in_;
};

}  // namespace

std::vector<Chain> find_chains(const Graph& graph, const DeviceOrder& order, Device& device,
                               const ChainRules& rules) {
  return ChainFinder(graph, order, device, rules).find();
}

}  // namespace headrace
