#include "partitioner/cost_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <queue>
#include <tuple>
#include <utility>

#include "graph/error.h"

namespace headrace {
namespace {

using Adjacency = std::vector<std::vector<int>>;

// What strategies that only know edges with bytes are told instead of seconds: this many bytes for
// the largest transfer, over a link to match.
constexpr double kLargestTransferBytes = 1e15;

size_t at(int index) { return static_cast<size_t>(index); }

// Units of colocated nodes, numbered by their first node.
std::vector<int> colocated_units(const CostGraph& graph) {
  std::vector<int> unit;
  std::map<std::string, int> unit_of_key;
  int next = 0;
  for (const CostNode& node : graph.nodes) {
    const bool known =
        !node.colocate.empty() && !unit_of_key.try_emplace(node.colocate, next).second;
    unit.push_back(known ? unit_of_key[node.colocate] : next++);
  }
  return unit;
}

int count_of(const std::vector<int>& unit) {
  return unit.empty() ? 0 : *std::max_element(unit.begin(), unit.end()) + 1;
}

bool is_forward(const CostGraph& graph, const CostEdge& edge) {
  return graph.nodes[at(edge.from)].phase == Phase::forward &&
         graph.nodes[at(edge.to)].phase == Phase::forward;
}

// For every unit those that hand forward values to it.
Adjacency forward_predecessors(const CostGraph& graph, const std::vector<int>& unit) {
  Adjacency before(at(count_of(unit)));
  for (const CostEdge& edge : graph.edges) {
    const int from = unit[at(edge.from)], to = unit[at(edge.to)];
    if (from != to && is_forward(graph, edge)) before[at(to)].push_back(from);
  }
  for (auto& list : before) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return before;
}

// Tarjan's strongly connected components (SIAM J. Comput. 1972), without recursion. Components are
// numbered in the order in which they are complete: after all that they can reach.
class Components {
 public:
  explicit Components(const Adjacency& next)
      : next_(next), component_(next.size(), -1), entered_(next.size(), -1), low_(next.size()) {
    for (int start = 0; start < static_cast<int>(next.size()); ++start)
      if (entered_[at(start)] < 0) search(start);
  }

  const std::vector<int>& component() const { return component_; }

 private:
  void search(int start) {
    enter(start);
    while (!path_.empty()) {
      const int here = path_.back().first;
      if (path_.back().second < next_[at(here)].size()) {
        const int there = next_[at(here)][path_.back().second++];
        if (entered_[at(there)] < 0)
          enter(there);
        else if (component_[at(there)] < 0)
          low_[at(here)] = std::min(low_[at(here)], entered_[at(there)]);
        continue;
      }
      path_.pop_back();
      if (!path_.empty()) {
        const size_t above = at(path_.back().first);
        low_[above] = std::min(low_[above], low_[at(here)]);
      }
      if (low_[at(here)] == entered_[at(here)]) close(here);
    }
  }
  void enter(int node) {
    entered_[at(node)] = low_[at(node)] = clock_++;
    open_.push_back(node);
    path_.emplace_back(node, 0);
  }
  void close(int first) {
    for (int node = -1; node != first;) {
      node = open_.back();
      open_.pop_back();
      component_[at(node)] = components_;
    }
    ++components_;
  }

  const Adjacency& next_;
  std::vector<int> component_, entered_, low_;
  std::vector<int> open_;
  std::vector<std::pair<int, size_t>> path_;  // node, which of its successors comes next
  int clock_ = 0, components_ = 0;
};

// Depth-first from each unit that feeds none, shallow ones first: a unit stands right behind what
// it needs. Cycles are broken where the search meets them.
std::vector<int> depth_first_order(const Adjacency& before) {
  const size_t units = before.size();
  std::vector<int> order;
  std::vector<bool> seen(units);
  std::vector<std::pair<int, size_t>> path;
  const auto visit = [&](int start, std::vector<int>& into) {
    if (seen[at(start)]) return;
    seen[at(start)] = true;
    path.emplace_back(start, 0);
    while (!path.empty()) {
      const int here = path.back().first;
      if (path.back().second == before[at(here)].size()) {
        into.push_back(here);
        path.pop_back();
        continue;
      }
      const int there = before[at(here)][path.back().second++];
      if (seen[at(there)]) continue;
      seen[at(there)] = true;
      path.emplace_back(there, 0);
    }
  };
  for (int unit = 0; unit < static_cast<int>(units); ++unit) visit(unit, order);

  std::vector<int> depth(units);
  std::vector<bool> feeds(units);
  for (const int unit : order)
    for (const int from : before[at(unit)]) {
      depth[at(unit)] = std::max(depth[at(unit)], depth[at(from)] + 1);
      feeds[at(from)] = true;
    }
  std::vector<int> last;
  for (int unit = 0; unit < static_cast<int>(units); ++unit)
    if (!feeds[at(unit)]) last.push_back(unit);
  std::stable_sort(last.begin(), last.end(),
                   [&](int a, int b) { return depth[at(a)] < depth[at(b)]; });
  std::vector<int> result;
  seen.assign(units, false);
  for (const int unit : last) visit(unit, result);
  for (const int unit : order) visit(unit, result);
  return result;
}

// Positions of all units: the ordered ones as in `order`, the others behind the one that they
// exchange most with.
std::vector<int> positions(const CostGraph& graph, const std::vector<int>& unit,
                           const std::vector<int>& order, const std::vector<bool>& ordered) {
  constexpr double kNowhere = std::numeric_limits<double>::infinity();
  std::vector<double> place(order.size(), kNowhere);
  for (size_t i = 0; i < order.size(); ++i)
    if (ordered[at(order[i])]) place[at(order[i])] = static_cast<double>(i);
  // The largest exchange between a placed unit and another comes first, as in Prim's trees.
  using Exchange = std::tuple<double, int, int>;  // seconds, placed, other
  std::vector<std::vector<std::pair<int, double>>> exchanges(order.size());
  for (const CostEdge& edge : graph.edges) {
    const int from = unit[at(edge.from)], to = unit[at(edge.to)];
    if (from == to) continue;
    exchanges[at(from)].emplace_back(to, edge.seconds);
    exchanges[at(to)].emplace_back(from, edge.seconds);
  }
  std::priority_queue<Exchange> waiting;
  const auto offer = [&](int placed) {
    for (const auto& [other, seconds] : exchanges[at(placed)])
      if (!ordered[at(other)] && place[at(other)] == kNowhere)
        waiting.emplace(seconds, placed, other);
  };
  for (const int placed : order)
    if (ordered[at(placed)]) offer(placed);
  while (!waiting.empty()) {
    const auto [seconds, placed, other] = waiting.top();
    waiting.pop();
    if (place[at(other)] != kNowhere) continue;
    place[at(other)] = place[at(placed)];
    offer(other);
  }
  std::vector<int> units(order.size()), position(order.size());
  std::iota(units.begin(), units.end(), 0);
  std::stable_sort(units.begin(), units.end(), [&](int a, int b) {
    if (place[at(a)] != place[at(b)]) return place[at(a)] < place[at(b)];
    return ordered[at(a)] && !ordered[at(b)];
  });
  for (size_t i = 0; i < units.size(); ++i) position[at(units[i])] = static_cast<int>(i);
  return position;
}

// One value for each node that hands something to another unit. Costs that differ among its edges
// become one value for the least cost and others, read by fewer, for what exceeds it.
std::vector<PartitionValue> values_of(const CostGraph& graph, const std::vector<int>& unit) {
  std::map<int, std::vector<const CostEdge*>> edges_of;
  for (const CostEdge& edge : graph.edges)
    if (unit[at(edge.from)] != unit[at(edge.to)]) edges_of[edge.from].push_back(&edge);
  std::vector<PartitionValue> values;
  for (auto& [from, edges] : edges_of) {
    std::stable_sort(edges.begin(), edges.end(),
                     [](const CostEdge* a, const CostEdge* b) { return a->seconds < b->seconds; });
    double paid_s = 0;
    int64_t paid_bytes = 0;
    for (size_t first = 0; first < edges.size(); ++first) {
      const CostEdge& least = *edges[first];
      if (first > 0 && least.seconds <= paid_s) continue;
      PartitionValue value;
      value.producer = unit[at(from)];
      value.bytes = std::max<int64_t>(0, least.bytes - paid_bytes);
      value.seconds = least.seconds - paid_s;
      for (size_t i = first; i < edges.size(); ++i) value.readers.push_back(unit[at(edges[i]->to)]);
      std::sort(value.readers.begin(), value.readers.end());
      value.readers.erase(std::unique(value.readers.begin(), value.readers.end()),
                          value.readers.end());
      values.push_back(std::move(value));
      paid_s = least.seconds;
      paid_bytes = std::max(paid_bytes, least.bytes);
    }
  }
  return values;
}

// Edges from the earlier unit to the later, for strategies that cut a chain.
void add_edges(PartitionProblem& problem, const Adjacency& before) {
  for (size_t v = 0; v < problem.values.size(); ++v) {
    const PartitionValue& value = problem.values[v];
    const int64_t cost = std::llround(value.seconds * problem.link_bytes_per_s);
    for (const int reader : value.readers) {
      const bool forward = value.producer < reader;
      PartitionEdge edge{.from = std::min(value.producer, reader),
                         .to = std::max(value.producer, reader),
                         .value = static_cast<int>(v),
                         .ordered = false};
      (forward ? edge.forward_bytes : edge.backward_bytes) = cost;
      if (forward &&
          std::binary_search(before[at(reader)].begin(), before[at(reader)].end(), value.producer))
        edge.ordered = true;
      problem.edges.push_back(edge);
    }
  }
}

}  // namespace

std::vector<int> CostProblem::devices(const std::vector<int>& stage_of_unit) const {
  std::vector<int> devices;
  for (const int unit : unit_of_node)
    devices.push_back(problem.device_of_stage[at(stage_of_unit[at(unit)])]);
  return devices;
}

CostProblem cost_problem(const CostGraph& graph, int stages_per_device, bool contiguous) {
  std::vector<int> unit = colocated_units(graph);
  if (contiguous) {
    const std::vector<int> component = Components(forward_predecessors(graph, unit)).component();
    for (int& u : unit) u = component[at(u)];
  }
  const Adjacency before = forward_predecessors(graph, unit);
  std::vector<bool> ordered(before.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (graph.nodes[n].phase == Phase::forward) ordered[at(unit[n])] = true;
  const std::vector<int> position = positions(graph, unit, depth_first_order(before), ordered);

  CostProblem result;
  for (const int u : unit) result.unit_of_node.push_back(position[at(u)]);
  PartitionProblem& problem = result.problem;
  problem.nodes.resize(before.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const CostNode& node = graph.nodes[n];
    PartitionNode& target = problem.nodes[at(result.unit_of_node[n])];
    if (target.op.empty()) target.op = node.id;
    (node.phase == Phase::forward          ? target.forward_s
     : node.phase == Phase::backward_input ? target.backward_input_s
                                           : target.backward_weight_s) += node.seconds;
    target.parameter_bytes += node.bytes;
  }
  problem.devices = graph.devices;
  problem.stages_per_device = stages_per_device;
  const int devices = static_cast<int>(graph.devices.size());
  for (int s = 0; s < devices * stages_per_device; ++s)
    problem.device_of_stage.push_back(s % devices);
  problem.communication = graph.communication;
  problem.overlapped = graph.overlapped;
  problem.contiguous = contiguous;
  problem.empty_stages = true;
  problem.costs_only = true;
  problem.values = values_of(graph, result.unit_of_node);
  double largest_s = 0;
  for (const PartitionValue& value : problem.values) largest_s = std::max(largest_s, value.seconds);
  if (largest_s > 0 && !graph.overlapped)
    problem.link_bytes_per_s = kLargestTransferBytes / largest_s;
  add_edges(problem, forward_predecessors(graph, result.unit_of_node));
  return result;
}

void resize_devices(CostGraph& graph, int devices) {
  const size_t wanted = at(devices);
  for (const PartitionDevice& device : graph.devices)
    if (wanted > graph.devices.size() &&
        (device.speed != graph.devices.front().speed ||
         device.memory_bytes != graph.devices.front().memory_bytes))
      throw Error("--devices {}: the graph of costs describes {}, which differ", devices,
                  graph.devices.size());
  graph.devices.resize(wanted, graph.devices.empty() ? PartitionDevice{} : graph.devices.front());
}

}  // namespace headrace
