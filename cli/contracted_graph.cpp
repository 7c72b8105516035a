#include "cli/contracted_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

namespace headrace {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

using Edges = std::map<std::pair<int, int>, int64_t>;  // bytes by (from, to)

// A value is counted once for each reader.
Edges drawn_edges(const PartitionProblem& problem) {
  std::vector<bool> joined(problem.nodes.size());
  Edges edges;
  const auto draw = [&](const PartitionEdge& edge) {
    edges[{edge.from, edge.to}] += edge.forward_bytes + edge.backward_bytes;
  };
  for (const PartitionEdge& edge : problem.edges) {
    if (!edge.ordered) continue;
    draw(edge);
    joined[at(edge.from)] = joined[at(edge.to)] = true;
  }
  for (const PartitionEdge& edge : problem.edges)
    if (!edge.ordered && !(joined[at(edge.from)] && joined[at(edge.to)])) draw(edge);
  return edges;
}

// Nodes that no cut parts have the same number.
std::vector<int> groups_of(size_t nodes, const std::vector<std::vector<int>>& cuts) {
  std::map<std::vector<int>, int> number;
  std::vector<int> group;
  for (size_t n = 0; n < nodes; ++n) {
    std::vector<int> stages;
    for (const std::vector<int>& cut : cuts) stages.push_back(cut[n]);
    group.push_back(number.try_emplace(stages, static_cast<int>(number.size())).first->second);
  }
  return group;
}

// The box of each node when only chains are drawn together.
std::vector<int> chains(const Edges& edges, const std::vector<int>& group) {
  std::vector<int> leaving(group.size()), entering(group.size()), before(group.size(), -1);
  for (const auto& [ends, bytes] : edges) {
    ++leaving[at(ends.first)];
    ++entering[at(ends.second)];
  }
  for (const auto& [ends, bytes] : edges)
    if (leaving[at(ends.first)] == 1 && entering[at(ends.second)] == 1 &&
        group[at(ends.first)] == group[at(ends.second)])
      before[at(ends.second)] = ends.first;
  std::vector<int> box(group.size(), -1);
  int boxes = 0;
  for (size_t n = 0; n < group.size(); ++n)  // edges lead from earlier nodes to later ones
    box[n] = before[n] < 0 ? boxes++ : box[at(before[n])];
  return box;
}

// The box of each node when `length` of a group, one after another, are drawn together.
std::vector<int> runs(const std::vector<int>& group, int length) {
  std::map<std::pair<int, int>, int> number;
  std::map<int, int> count;
  std::vector<int> box;
  for (const int g : group)
    box.push_back(number.try_emplace({g, count[g]++ / length}, static_cast<int>(number.size()))
                      .first->second);
  return box;
}

int count_of(const std::vector<int>& box) {
  return box.empty() ? 0 : *std::max_element(box.begin(), box.end()) + 1;
}

}  // namespace

ContractedGraph contract(const PartitionProblem& problem, const std::vector<std::vector<int>>& cuts,
                         size_t most) {
  const size_t nodes = problem.nodes.size();
  const Edges edges = drawn_edges(problem);
  ContractedGraph result;
  std::vector<int> box(nodes);
  std::iota(box.begin(), box.end(), 0);
  if (nodes > most) {
    const std::vector<int> group = groups_of(nodes, cuts);
    box = chains(edges, group);
    result.how = "a chain of nodes";
    for (int length = 2; at(count_of(box)) > most && at(length) < 2 * nodes;
         length += 1 + length / 4) {
      box = runs(group, length);
      result.how = fmt::format("up to {} nodes that follow one another", length);
    }
  }
  result.boxes.resize(at(count_of(box)));
  for (size_t n = 0; n < nodes; ++n) result.boxes[at(box[n])].push_back(static_cast<int>(n));
  Edges between;
  for (const auto& [ends, bytes] : edges) {
    const int from = box[at(ends.first)], to = box[at(ends.second)];
    if (from != to) between[{from, to}] += bytes;
  }
  for (const auto& [ends, bytes] : between)
    result.edges.push_back({ends.first, ends.second, bytes});
  return result;
}

}  // namespace headrace
