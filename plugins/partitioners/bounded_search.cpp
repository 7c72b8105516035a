#include "plugins/partitioners/bounded_search.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "plugins/partitioners/moves.h"

namespace headrace::partitioners {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
// An answer counts as better from here on, and a bound as closed.
constexpr double kCloser = 1 - 1e-10;
constexpr int64_t kFirstSteps = 1000;
// Rounds of search with fewer steps end before moving single units is tried.
constexpr int64_t kStepsBeforeMoves = 16 * kFirstSteps;
constexpr int kMoveStarts = 200;

size_t at(int index) { return static_cast<size_t>(index); }
bool is_single(uint64_t set) { return (set & (set - 1)) == 0; }

}  // namespace

BoundedSearch::BoundedSearch(const Units& units, Clock::time_point deadline)
    : units_(units), deadline_(deadline), domains_(units), weight_(units.seconds) {
  for (const Tensor& tensor : units.tensors) {
    weight_[at(tensor.producer)] += tensor.seconds;
    for (const int reader : tensor.readers) weight_[at(reader)] += tensor.seconds;
  }
  double largest = 0;
  for (const double weight : weight_) largest = std::max(largest, weight);
  bump_ = largest > 0 ? largest / 8 : 1;
  for (double& weight : weight_) weight += bump_ * 1e-6;
}

bool BoundedSearch::refuses(double limit_s) {
  const size_t mark = domains_.mark();
  domains_.set_limit(limit_s);
  const bool refused = !domains_.propagate();
  domains_.undo(mark);
  return refused;
}

BoundedSearch::Verdict BoundedSearch::run(double limit_s, int64_t most_steps) {
  limit_s_ = limit_s;
  steps_left_ = most_steps;
  const size_t mark = domains_.mark();
  domains_.set_limit(limit_s);
  const Verdict verdict = domains_.propagate() ? search() : Verdict::none;
  domains_.undo(mark);
  return verdict;
}

std::optional<int> BoundedSearch::next_unit() const {
  std::optional<int> best;
  double most = 0;
  for (int unit = 0; unit < units_.size(); ++unit) {
    const uint64_t choices =
        domains_.stages_matter() ? domains_.stages(unit) : domains_.devices(unit);
    if (is_single(choices)) continue;
    const double weight = weight_[at(unit)] / __builtin_popcountll(choices);
    if (weight <= most) continue;
    most = weight;
    best = unit;
  }
  return best;
}

// The stages of one device, or one stage of several on the only device.
uint64_t BoundedSearch::first_choice(int unit) const {
  const uint64_t stages = domains_.stages(unit), devices = domains_.devices(unit);
  if (!stages_.empty()) {
    const int known = stages_[at(unit)];
    if (is_single(devices) && (stages >> known & 1) != 0) return uint64_t{1} << known;
    const int device = units_.device_of_stage[at(known)];
    if (!is_single(devices) && (devices >> device & 1) != 0)
      return stages & domains_.stages_of_device(device);
  }
  if (is_single(devices)) return stages & (~stages + 1);
  double least = kNever;
  int best = 0;
  for (uint64_t rest = devices; rest != 0; rest &= rest - 1) {
    const int device = __builtin_ctzll(rest);
    const double load = domains_.load(device) + domains_.cost_on(unit, device);
    if (load >= least) continue;
    least = load;
    best = device;
  }
  return stages & domains_.stages_of_device(best);
}

BoundedSearch::Verdict BoundedSearch::search() {
  for (;;) {
    if (--steps_left_ < 0) return Verdict::open;
    if (steps_left_ % 64 == 0 && Clock::now() > deadline_) return Verdict::open;
    const std::optional<int> unit = next_unit();
    if (!unit) {
      std::vector<int> stages;
      for (int u = 0; u < units_.size(); ++u) stages.push_back(domains_.first_stage(u));
      const Loads loads = loads_of(units_, stages);
      if (loads.largest_s > limit_s_ * (1 + 1e-11) || loads.overflow_bytes > 0 ||
          !is_in_order(units_, stages))
        return Verdict::none;
      stages_ = std::move(stages);
      return Verdict::found;
    }
    const uint64_t choice = first_choice(*unit);
    const size_t mark = domains_.mark();
    domains_.restrict(*unit, choice);
    Verdict verdict = Verdict::none;
    if (domains_.propagate())
      verdict = search();
    else
      weight_[at(*unit)] += bump_;
    if (verdict != Verdict::none) return verdict;
    domains_.undo(mark);
    domains_.restrict(*unit, ~choice);
    if (!domains_.propagate()) {
      weight_[at(*unit)] += bump_;
      return Verdict::none;
    }
  }
}

BoundedAnswer search_bounded(const Units& units, std::vector<int> start, double lower_bound_s,
                             Clock::time_point deadline) {
  BoundedSearch search(units, deadline);
  BoundedAnswer answer{std::move(start), kNever, lower_bound_s, false};
  const auto take = [&](std::vector<int> stages) {
    answer.bottleneck_s = loads_of(units, stages).largest_s;
    answer.stages = std::move(stages);
  };
  if (!answer.stages.empty()) {
    take(answer.stages);
    search.set_first_choice(answer.stages);
  }
  const auto in_time = [&] { return Clock::now() < deadline; };
  const auto closed = [&] { return answer.lower_bound_s >= answer.bottleneck_s * kCloser; };
  using Verdict = BoundedSearch::Verdict;

  int64_t steps = kFirstSteps;
  // Something that fits, however large.
  double total_s = 0;
  const double slowest = *std::min_element(units.speed.begin(), units.speed.end());
  for (const double seconds : units.seconds) total_s += seconds / slowest;
  for (const Tensor& tensor : units.tensors)
    total_s += tensor.seconds * static_cast<double>(tensor.readers.size());
  for (; answer.stages.empty() && in_time(); steps *= 2) {
    const Verdict verdict = search.run(total_s, steps);
    if (verdict == Verdict::none) {
      answer.infeasible = true;
      return answer;
    }
    if (verdict == Verdict::found) take(search.stages());
  }
  if (answer.stages.empty()) return answer;

  // What the rules refuse without search is a first bound.
  double low = answer.lower_bound_s, high = answer.bottleneck_s;
  for (int halving = 0; halving < 30 && in_time() && low < high * kCloser; ++halving) {
    const double middle = (low + high) / 2;
    (search.refuses(middle) ? low : high) = middle;
  }
  answer.lower_bound_s = std::max(answer.lower_bound_s, low);

  // Moves know one stage per device; without an order whoever asks has tried them.
  bool moved = units.stages() != units.devices() ||
               std::ranges::all_of(units.before, [](const auto& list) { return list.empty(); });
  for (steps = kFirstSteps; !closed() && in_time(); steps *= 2) {
    if (!moved && steps >= kStepsBeforeMoves) {
      moved = true;
      const std::vector<int> stages =
          search_moves(units, answer.stages,
                       {.starts = kMoveStarts,
                        .lower_bound_s = answer.lower_bound_s,
                        .deadline = Clock::now() + (deadline - Clock::now()) / 4});
      const Loads loads = loads_of(units, stages);
      if (loads.overflow_bytes == 0 && loads.largest_s < answer.bottleneck_s &&
          is_in_order(units, stages)) {
        take(stages);
        search.set_first_choice(stages);
      }
    }
    Verdict verdict = Verdict::found;
    while (verdict == Verdict::found && !closed() && in_time()) {
      verdict = search.run(answer.bottleneck_s * kCloser, steps);
      if (verdict == Verdict::found) take(search.stages());
    }
    if (verdict == Verdict::none) answer.lower_bound_s = answer.bottleneck_s;
    // Between the two, from the middle down to what can be refused in as many steps.
    for (double upper = answer.bottleneck_s;
         !closed() && in_time() && upper - answer.lower_bound_s > 1e-4 * upper;) {
      const double middle = (answer.lower_bound_s + upper) / 2;
      verdict = search.run(middle, steps);
      if (verdict == Verdict::none) answer.lower_bound_s = middle;
      if (verdict == Verdict::found) take(search.stages());
      upper = verdict == Verdict::none    ? upper
              : verdict == Verdict::found ? answer.bottleneck_s
                                          : middle;
    }
  }
  return answer;
}

}  // namespace headrace::partitioners
