#include "plugins/partitioners/moves.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

namespace headrace::partitioners {
namespace {

using Clock = std::chrono::steady_clock;

// Loads count by this norm: near enough to the largest, yet each move of any device shows.
constexpr double kNorm = 12;
// As parts of the bottleneck: what is taken of a worse answer at first and at last.
constexpr double kHot = 0.03, kCold = 0.0002;
constexpr double kOrderedHot = 0.08;  // the order holds units back, and every start is the best
constexpr int64_t kMovesPerUnit = 400, kLeastMoves = 20000, kMostMoves = 2'000'000;
constexpr double kOverflow = 100;  // bottlenecks, for the whole memory of a device

size_t at(int index) { return static_cast<size_t>(index); }

// The devices of all units, with every load kept up to date.
class Placement {
 public:
  Placement(const Units& units, std::vector<int> device)
      : units_(units),
        device_(std::move(device)),
        readers_(units.tensors.size() * units.speed.size()),
        compute_(units.speed.size()),
        transfer_(units.speed.size()),
        bytes_(units.speed.size()) {
    for (int unit = 0; unit < units.size(); ++unit) hold(unit, device_[at(unit)], 1);
    for (size_t t = 0; t < units.tensors.size(); ++t) {
      for (const int reader : units.tensors[t].readers) ++readers(t, device_[at(reader)]);
      charge(t, 1);
    }
  }

  int device(int unit) const { return device_[at(unit)]; }
  const std::vector<int>& devices() const { return device_; }

  void move(int unit, int device) {
    for (const int t : units_.touching[at(unit)]) {
      charge(at(t), -1);
      if (units_.tensors[at(t)].producer != unit) {
        --readers(at(t), device_[at(unit)]);
        ++readers(at(t), device);
      }
    }
    hold(unit, device_[at(unit)], -1);
    hold(unit, device, 1);
    device_[at(unit)] = device;
    for (const int t : units_.touching[at(unit)]) charge(at(t), 1);
  }

  // In multiples of `scale_s`.
  double energy(double scale_s) const {
    double sum = 0, overflow = 0;
    for (size_t d = 0; d < compute_.size(); ++d) {
      const double load =
          units_.overlapped ? std::max(compute_[d], transfer_[d]) : compute_[d] + transfer_[d];
      sum += std::pow(load / scale_s, kNorm);
      if (units_.memory_bytes[d] > 0 && bytes_[d] > units_.memory_bytes[d])
        overflow += static_cast<double>(bytes_[d] - units_.memory_bytes[d]) /
                    static_cast<double>(units_.memory_bytes[d]);
    }
    return std::pow(sum, 1 / kNorm) + kOverflow * overflow;
  }

 private:
  int& readers(size_t tensor, int device) {
    return readers_[tensor * compute_.size() + at(device)];
  }
  void hold(int unit, int device, int sign) {
    compute_[at(device)] += sign * units_.seconds[at(unit)] / units_.speed[at(device)];
    bytes_[at(device)] += sign * units_.bytes(unit, 0);
  }
  void charge(size_t tensor, int sign) {
    const Tensor& what = units_.tensors[tensor];
    const int home = device_[at(what.producer)];
    int receivers = 0;
    for (int d = 0; d < units_.devices(); ++d)
      if (d != home && readers(tensor, d) > 0) {
        transfer_[at(d)] += sign * what.seconds;
        ++receivers;
      }
    transfer_[at(home)] += sign * what.seconds * (units_.host ? std::min(receivers, 1) : receivers);
  }

  const Units& units_;
  std::vector<int> device_;
  std::vector<int> readers_;  // [tensor, device]
  std::vector<double> compute_, transfer_;
  std::vector<int64_t> bytes_;
};

class Annealing {
 public:
  Annealing(const MoveSearch& how, std::vector<int> first_stage, bool ordered,
            std::mt19937_64& random)
      : how_(how), first_stage_(std::move(first_stage)), ordered_(ordered), random_(random) {}

  // The best devices seen from `device` on.
  std::vector<int> run(const Units& units, std::vector<int> device, double hot) {
    const double scale = std::max(loads(units, device).largest_s, 1e-300);
    Placement placement(units, device);
    double energy = placement.energy(scale), least = energy;
    std::vector<int> best = std::move(device);
    const int64_t moves = std::clamp(kMovesPerUnit * units.size(), kLeastMoves, kMostMoves);
    for (int64_t step = 0; step < moves; ++step) {
      if (step % 256 == 0 && Clock::now() > how_.deadline) break;
      const double done = static_cast<double>(step) / static_cast<double>(moves);
      const double heat = hot * std::pow(kCold / hot, done) * least;
      const int unit = below(units.size());
      const int from = placement.device(unit);
      const int to =
          ordered_ ? neighbour(units, placement, unit) : destination(units, placement, unit);
      // Every fourth time an exchange, if there is somebody to exchange with.
      const int other = step % 4 == 0 ? below(units.size()) : unit;
      if (to == from) continue;
      const bool exchange = other != unit && placement.device(other) == to;
      placement.move(unit, to);
      if (exchange) placement.move(other, from);
      if (ordered_ && exchange &&
          !(stands_in_order(units, placement, other) && stands_in_order(units, placement, unit))) {
        placement.move(other, to);
        placement.move(unit, from);
        continue;
      }
      const double now = placement.energy(scale);
      if (now > energy && uniform() >= std::exp((energy - now) / heat)) {
        if (exchange) placement.move(other, to);
        placement.move(unit, from);
        continue;
      }
      energy = now;
      if (now >= least * (1 - 1e-12)) continue;
      least = now;
      best = placement.devices();
    }
    return best;
  }

  Loads loads(const Units& units, const std::vector<int>& device) const {
    std::vector<int> stages;
    for (const int d : device) stages.push_back(first_stage_[at(d)]);
    return loads_of(units, stages);
  }
  int below(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }

 private:
  // The stages that the order leaves to a unit among the others, first and last.
  std::pair<int, int> window(const Units& units, const Placement& placement, int unit) const {
    int first = 0, last = units.stages() - 1;
    for (const int other : units.before[at(unit)])
      first = std::max(first, first_stage_[at(placement.device(other))]);
    for (const int other : units.after[at(unit)])
      last = std::min(last, first_stage_[at(placement.device(other))]);
    return {first, last};
  }

  bool stands_in_order(const Units& units, const Placement& placement, int unit) const {
    const auto [first, last] = window(units, placement, unit);
    const int stage = first_stage_[at(placement.device(unit))];
    return first <= stage && stage <= last;
  }

  // Somewhere in its window.
  int neighbour(const Units& units, const Placement& placement, int unit) {
    const auto [first, last] = window(units, placement, unit);
    return units.device_of_stage[at(first + below(last - first + 1))];
  }

  // Somewhere, half the time where a neighbour is.
  int destination(const Units& units, const Placement& placement, int unit) {
    const auto& touching = units.touching[at(unit)];
    if (touching.empty() || uniform() < 0.5) return below(units.devices());
    const Tensor& tensor =
        units.tensors[at(touching[at(below(static_cast<int>(touching.size())))])];
    const int other = tensor.producer != unit
                          ? tensor.producer
                          : tensor.readers[at(below(static_cast<int>(tensor.readers.size())))];
    return placement.device(other);
  }

  const MoveSearch& how_;
  std::vector<int> first_stage_;  // of every device
  bool ordered_;                  // whether units must keep to the order of stages
  std::mt19937_64& random_;
};

// Units joined along the dearest tensors, down to a random cost, while they stay small.
std::vector<int> tied(const Units& units, double least_s, double most_work_s) {
  std::vector<int> group(units.seconds.size());
  std::iota(group.begin(), group.end(), 0);
  std::vector<double> work = units.seconds;
  const auto find = [&](int unit) {
    while (group[at(unit)] != unit) unit = group[at(unit)] = group[at(group[at(unit)])];
    return unit;
  };
  std::vector<int> order(units.tensors.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return units.tensors[at(a)].seconds > units.tensors[at(b)].seconds;
  });
  for (const int t : order) {
    const Tensor& tensor = units.tensors[at(t)];
    if (tensor.seconds < least_s) break;
    for (const int reader : tensor.readers) {
      const int a = find(tensor.producer), b = find(reader);
      if (a == b || work[at(a)] + work[at(b)] > most_work_s) continue;
      group[at(b)] = a;
      work[at(a)] += work[at(b)];
    }
  }
  std::vector<int> number(group.size(), -1), result;
  int next = 0;
  for (int unit = 0; unit < units.size(); ++unit) {
    int& n = number[at(find(unit))];
    if (n < 0) n = next++;
    result.push_back(n);
  }
  return result;
}

}  // namespace

std::vector<int> search_moves(const Units& units, const std::vector<int>& start,
                              const MoveSearch& how) {
  std::vector<int> first_stage(units.speed.size());
  for (int s = units.stages(); s-- > 0;) first_stage[at(units.device_of_stage[at(s)])] = s;
  std::mt19937_64 random(how.seed);
  const bool ordered =
      std::ranges::any_of(units.before, [](const auto& list) { return !list.empty(); });
  Annealing annealing(how, first_stage, ordered, random);
  double total_s = 0, speed = 0;
  for (const double seconds : units.seconds) total_s += seconds;
  for (const double each : units.speed) speed += each;
  const double fastest = *std::max_element(units.speed.begin(), units.speed.end());
  std::vector<double> costs;
  for (const Tensor& tensor : units.tensors) costs.push_back(tensor.seconds);
  std::sort(costs.begin(), costs.end());

  std::vector<int> best;
  for (const int stage : start) best.push_back(units.device_of_stage[at(stage)]);
  Loads least = annealing.loads(units, best);
  const auto better = [](const Loads& a, const Loads& b) {
    return a.overflow_bytes != b.overflow_bytes ? a.overflow_bytes < b.overflow_bytes
                                                : a.largest_s < b.largest_s * (1 - 1e-12);
  };
  for (int round = 0; round < how.starts && Clock::now() < how.deadline; ++round) {
    if (least.overflow_bytes == 0 && least.largest_s <= how.lower_bound_s * (1 + 1e-10)) break;
    std::vector<int> device = best;
    if (round > 0 && !ordered) {
      // From nothing, tied; every third time from the best there is.
      Units coarse = units;
      const double most_work_s = total_s * fastest / speed * (0.2 + annealing.uniform());
      const double least_s =
          costs.empty() ? 0 : costs[at(annealing.below(static_cast<int>(costs.size())))];
      coarse.contract(tied(units, least_s, most_work_s));
      // `contract` numbers the units of all nodes: two units of one node are one in both.
      std::vector<int> coarse_of(units.seconds.size());
      for (size_t node = 0; node < units.unit_of_node.size(); ++node)
        coarse_of[at(units.unit_of_node[node])] = coarse.unit_of_node[node];
      std::vector<int> coarse_device(coarse.seconds.size());
      for (int& d : coarse_device) d = annealing.below(units.devices());
      if (round % 3 == 0)
        for (size_t unit = 0; unit < coarse_of.size(); ++unit)
          coarse_device[at(coarse_of[unit])] = best[unit];
      coarse_device = annealing.run(coarse, std::move(coarse_device), kHot);
      for (size_t unit = 0; unit < device.size(); ++unit)
        device[unit] = coarse_device[at(coarse_of[unit])];
    }
    const double hot = ordered ? kOrderedHot : round == 0 ? kHot : kHot / 8;
    device = annealing.run(units, std::move(device), hot);
    const Loads loads = annealing.loads(units, device);
    if (!better(loads, least)) continue;
    least = loads;
    best = std::move(device);
  }
  std::vector<int> stages;
  for (const int device : best) stages.push_back(first_stage[at(device)]);
  return stages;
}

}  // namespace headrace::partitioners
