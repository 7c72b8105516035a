#include "plugins/partitioners/units.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace headrace::partitioners {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

void make_unique(std::vector<int>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

// Sets of units that grow together.
class Groups {
 public:
  explicit Groups(int units) : parent_(at(units)) { std::iota(parent_.begin(), parent_.end(), 0); }
  int find(int unit) {
    while (parent_[at(unit)] != unit) unit = parent_[at(unit)] = parent_[at(parent_[at(unit)])];
    return unit;
  }
  void join(int a, int b) { parent_[at(find(b))] = find(a); }
  std::vector<int> numbered() {
    std::vector<int> number(parent_.size(), -1), group;
    int next = 0;
    for (int unit = 0; unit < static_cast<int>(parent_.size()); ++unit) {
      int& n = number[at(find(unit))];
      if (n < 0) n = next++;
      group.push_back(n);
    }
    return group;
  }

 private:
  std::vector<int> parent_;
};

// Nodes of one key, and what lies between them in the order, as one: from the earliest to the
// latest along ordered edges. `before` is of nodes in a topological order.
std::vector<int> groups_of_nodes(const sdk::PartitionRequest& r,
                                 const std::vector<std::vector<int>>& after) {
  Groups groups(r.nodes());
  std::map<int, int> first_of_key;
  for (int node = 0; node < r.nodes(); ++node)
    if (r.colocate(node) >= 0) {
      const auto [first, fresh] = first_of_key.try_emplace(r.colocate(node), node);
      if (!fresh) groups.join(first->second, node);
    }
  // A path that leaves a group and comes back belongs to it. Groups are few and small.
  for (bool changed = !first_of_key.empty(); changed;) {
    changed = false;
    std::map<int, std::vector<int>> members;
    for (int node = 0; node < r.nodes(); ++node) members[groups.find(node)].push_back(node);
    for (const auto& [root, nodes] : members) {
      if (nodes.size() < 2) continue;
      // Reached from the group through others, then back in.
      std::vector<char> reached(at(r.nodes())), returns(at(r.nodes()));
      for (int node = 0; node < r.nodes(); ++node)
        if (reached[at(node)] || groups.find(node) == groups.find(root))
          for (const int next : after[at(node)]) reached[at(next)] = 1;
      for (int node = r.nodes(); node-- > 0;)
        for (const int next : after[at(node)])
          if (returns[at(next)] || groups.find(next) == groups.find(root)) returns[at(node)] = 1;
      for (int node = 0; node < r.nodes(); ++node)
        if (reached[at(node)] && returns[at(node)] && groups.find(node) != groups.find(root)) {
          groups.join(root, node);
          changed = true;
        }
    }
  }
  return groups.numbered();
}

}  // namespace

Units::Units(const sdk::PartitionRequest& r)
    : host(r.host_communication()), overlapped(r.overlapped()), empty_stages(r.empty_stages()) {
  const size_t nodes = at(r.nodes());
  before.resize(nodes);
  after.resize(nodes);
  for (int i = 0; i < r.edges() && r.contiguous(); ++i) {
    if (!r.edge_ordered(i)) continue;
    before[at(r.edge(i).to)].push_back(r.edge(i).from);
    after[at(r.edge(i).from)].push_back(r.edge(i).to);
  }
  for (int node = 0; node < r.nodes(); ++node) {
    seconds.push_back(r.forward_s(node) + r.backward_input_s(node) + r.backward_weight_s(node));
    held_bytes.push_back(r.parameter_bytes(node));
    flight_bytes.push_back(r.activation_bytes(node));
  }
  for (int d = 0; d < r.devices(); ++d) {
    speed.push_back(r.speed(d));
    memory_bytes.push_back(r.memory_bytes(d));
  }
  for (int s = 0; s < r.stages(); ++s) {
    device_of_stage.push_back(r.device(s));
    in_flight.push_back(r.in_flight(s));
  }
  for (int i = 0; i < r.values(); ++i) {
    sdk::Value value = r.value(i);
    if (value.seconds > 0 && r.devices() > 1)
      tensors.push_back({value.producer, std::move(value.readers), value.seconds});
  }
  unit_of_node.resize(nodes);
  std::iota(unit_of_node.begin(), unit_of_node.end(), 0);
  contract(groups_of_nodes(r, after));
}

void Units::contract(const std::vector<int>& group) {
  const size_t count = group.empty() ? 0 : at(*std::max_element(group.begin(), group.end()) + 1);
  const auto summed = [&](auto values) {
    decltype(values) sums(count);
    for (size_t u = 0; u < values.size(); ++u) sums[at(group[u])] += values[u];
    return sums;
  };
  const auto joined = [&](const std::vector<std::vector<int>>& lists) {
    std::vector<std::vector<int>> result(count);
    for (size_t u = 0; u < lists.size(); ++u)
      for (const int other : lists[u])
        if (group[at(other)] != group[u]) result[at(group[u])].push_back(group[at(other)]);
    for (auto& list : result) make_unique(list);
    return result;
  };
  before = joined(before);
  after = joined(after);
  seconds = summed(std::move(seconds));
  held_bytes = summed(std::move(held_bytes));
  flight_bytes = summed(std::move(flight_bytes));
  for (int& unit : unit_of_node) unit = group[at(unit)];
  // Tensors with the same producer and readers travel together.
  std::map<std::pair<int, std::vector<int>>, double> merged;
  for (Tensor& tensor : tensors) {
    const int producer = group[at(tensor.producer)];
    std::vector<int> readers;
    for (const int reader : tensor.readers)
      if (group[at(reader)] != producer) readers.push_back(group[at(reader)]);
    make_unique(readers);
    if (!readers.empty()) merged[{producer, std::move(readers)}] += tensor.seconds;
  }
  tensors.clear();
  for (const auto& [ends, cost] : merged) tensors.push_back({ends.first, ends.second, cost});
  index();
}

void Units::index() {
  touching.assign(seconds.size(), {});
  for (size_t t = 0; t < tensors.size(); ++t) {
    touching[at(tensors[t].producer)].push_back(static_cast<int>(t));
    for (const int reader : tensors[t].readers) touching[at(reader)].push_back(static_cast<int>(t));
  }
}

namespace {

// Whether moving `unit` to its neighbour never costs the neighbour's device more than it saves.
bool is_dominated(const Units& units, int unit, int neighbour, double slowest) {
  const auto& before = units.before[at(unit)];
  const auto& after = units.after[at(unit)];
  const bool free = before.empty() && after.empty();
  const bool beside = (after.size() == 1 && after[0] == neighbour) ||
                      (before.size() == 1 && before[0] == neighbour);
  if (!free && !beside) return false;
  double saved = 0, paid = units.overlapped ? 0 : units.seconds[at(unit)] / slowest;
  if (units.overlapped && units.seconds[at(unit)] > 0) return false;
  for (const int t : units.touching[at(unit)]) {
    const Tensor& tensor = units.tensors[at(t)];
    const auto readers = static_cast<int>(tensor.readers.size());
    if (tensor.producer == unit) {
      if (readers == 1 && tensor.readers[0] == neighbour)
        saved += tensor.seconds;
      else
        paid += tensor.seconds * (units.host ? 1 : std::min(readers, units.devices() - 1));
    } else if (readers == 1) {
      (tensor.producer == neighbour ? saved : paid) += tensor.seconds;
    } else if (units.host || tensor.producer == neighbour) {
      paid += tensor.seconds;
    } else {
      return false;  // its sender might have to send it to one device more
    }
  }
  return paid <= saved;
}

}  // namespace

void join_dominated(Units& units) {
  const double slowest = *std::min_element(units.speed.begin(), units.speed.end());
  bool tight = false;  // memory might stand against joining
  for (int d = 0; d < units.devices(); ++d) {
    const int most = *std::max_element(units.in_flight.begin(), units.in_flight.end());
    int64_t all = 0;
    for (int unit = 0; unit < units.size(); ++unit)
      all += units.held_bytes[at(unit)] + units.flight_bytes[at(unit)] * most;
    tight |= units.memory_bytes[at(d)] > 0 && all > units.memory_bytes[at(d)];
  }
  for (bool changed = true; changed;) {
    changed = false;
    Groups groups(units.size());
    std::vector<bool> taken(units.seconds.size());  // one step at a time for each unit
    for (int unit = 0; unit < units.size(); ++unit) {
      if (taken[at(unit)]) continue;
      if (tight && units.held_bytes[at(unit)] + units.flight_bytes[at(unit)] > 0) continue;
      for (const int t : units.touching[at(unit)]) {
        const Tensor& tensor = units.tensors[at(t)];
        const int neighbour = tensor.producer == unit      ? tensor.readers[0]
                              : tensor.readers.size() == 1 ? tensor.producer
                                                           : unit;
        if (neighbour == unit || taken[at(neighbour)] ||
            !is_dominated(units, unit, neighbour, slowest))
          continue;
        groups.join(neighbour, unit);
        taken[at(unit)] = taken[at(neighbour)] = changed = true;
        break;
      }
    }
    if (changed) units.contract(groups.numbered());
  }
}

Loads loads_of(const Units& units, const std::vector<int>& stage_of_unit) {
  const size_t devices = units.speed.size();
  std::vector<double> compute(devices), transfer(devices);
  std::vector<int64_t> bytes(devices);
  const auto device_of = [&](int unit) {
    return at(units.device_of_stage[at(stage_of_unit[at(unit)])]);
  };
  for (int unit = 0; unit < units.size(); ++unit) {
    compute[device_of(unit)] += units.seconds[at(unit)] / units.speed[device_of(unit)];
    bytes[device_of(unit)] += units.bytes(unit, stage_of_unit[at(unit)]);
  }
  std::vector<size_t> receivers;
  for (const Tensor& tensor : units.tensors) {
    const size_t from = device_of(tensor.producer);
    receivers.clear();
    for (const int reader : tensor.readers) {
      const size_t to = device_of(reader);
      if (to == from || std::find(receivers.begin(), receivers.end(), to) != receivers.end())
        continue;
      receivers.push_back(to);
      transfer[to] += tensor.seconds;
      if (!units.host || receivers.size() == 1) transfer[from] += tensor.seconds;
    }
  }
  Loads loads;
  for (size_t d = 0; d < devices; ++d) {
    loads.device_s.push_back(units.overlapped ? std::max(compute[d], transfer[d])
                                              : compute[d] + transfer[d]);
    loads.largest_s = std::max(loads.largest_s, loads.device_s.back());
    if (units.memory_bytes[d] > 0)
      loads.overflow_bytes += std::max<int64_t>(0, bytes[d] - units.memory_bytes[d]);
  }
  return loads;
}

bool is_in_order(const Units& units, const std::vector<int>& stage_of_unit) {
  std::vector<bool> used(at(units.stages()));
  for (int unit = 0; unit < units.size(); ++unit) {
    used[at(stage_of_unit[at(unit)])] = true;
    for (const int next : units.after[at(unit)])
      if (stage_of_unit[at(next)] < stage_of_unit[at(unit)]) return false;
  }
  return units.empty_stages || std::find(used.begin(), used.end(), false) == used.end();
}

std::vector<int> stages_of_nodes(const Units& units, const std::vector<int>& stage_of_unit) {
  std::vector<int> stages;
  for (const int unit : units.unit_of_node) stages.push_back(stage_of_unit[at(unit)]);
  return stages;
}

}  // namespace headrace::partitioners
