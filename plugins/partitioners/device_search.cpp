#include "plugins/partitioners/device_search.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace headrace::partitioners {
namespace {

// Steps are nodes looked at; some ten nanoseconds each.
constexpr int64_t kMoveBudget = 3'000'000;
constexpr int64_t kBranchBudget = 3'000'000;
// Sums of the same seconds in another order differ by less than this.
constexpr double kRounding = 1e-12;

bool clearly_less(double a, double b) { return a < b - b * kRounding; }

// What the devices carry while nodes are given to stages in graph order. Steps can be taken back.
class DeviceLoads {
 public:
  struct Mark {
    std::vector<double> seconds;
    std::vector<int64_t> bytes;
    size_t trail;
  };

  explicit DeviceLoads(const Chain& chain)
      : chain_(chain),
        devices_(static_cast<size_t>(chain.devices)),
        seconds_(devices_),
        bytes_(devices_),
        limit_(devices_),
        device_of_node_(chain.seconds.size()),
        received_(chain.values.size() * devices_),
        receivers_(chain.values.size()) {
    for (const Stage& stage : chain.stages)
      limit_[static_cast<size_t>(stage.device)] = stage.memory_bytes;
  }

  void append(int node, const Stage& stage) {
    const auto i = static_cast<size_t>(node);
    const auto device = static_cast<size_t>(stage.device);
    device_of_node_[i] = device;
    seconds_[device] += chain_.seconds[i] * stage.seconds_factor;
    bytes_[device] += chain_.parameter_bytes[i] + chain_.activation_bytes[i] * stage.in_flight;
    for (const Use& use : chain_.uses[i]) {
      const Value& value = chain_.values[static_cast<size_t>(use.value)];
      if (value.producer < node)
        transfer(use.value, device_of_node_[static_cast<size_t>(value.producer)], device);
    }
    for (const int output : chain_.outputs[i])
      for (const int reader : chain_.values[static_cast<size_t>(output)].readers) {
        if (reader > node) break;
        transfer(output, device, device_of_node_[static_cast<size_t>(reader)]);
      }
  }

  Mark mark() const { return {seconds_, bytes_, trail_.size()}; }
  void restore(const Mark& mark) {
    seconds_ = mark.seconds;
    bytes_ = mark.bytes;
    for (; trail_.size() > mark.trail; trail_.pop_back()) {
      received_[trail_.back()] = 0;
      --receivers_[trail_.back() / devices_];
    }
  }

  const std::vector<double>& seconds() const { return seconds_; }
  double largest() const { return *std::max_element(seconds_.begin(), seconds_.end()); }
  int64_t overflow() const {
    int64_t over = 0;
    for (size_t d = 0; d < devices_; ++d)
      if (limit_[d] > 0) over += std::max<int64_t>(0, bytes_[d] - limit_[d]);
    return over;
  }

 private:
  void transfer(int value, size_t from, size_t to) {
    const auto v = static_cast<size_t>(value);
    const size_t slot = v * devices_ + to;
    if (from == to || received_[slot] != 0) return;
    received_[slot] = 1;
    trail_.push_back(slot);
    const double seconds = chain_.values[v].seconds;
    seconds_[to] += seconds;
    if (receivers_[v]++ == 0 || !chain_.host) seconds_[from] += seconds;
  }

  const Chain& chain_;
  size_t devices_;
  std::vector<double> seconds_;         // [device]
  std::vector<int64_t> bytes_, limit_;  // [device]
  std::vector<size_t> device_of_node_;
  std::vector<char> received_;  // [value, device]: whether it has been sent there
  std::vector<int> receivers_;  // [value]: how many devices it has been sent to
  std::vector<size_t> trail_;   // of received_
};

double stage_seconds(const Chain& chain, size_t stage, int begin, int end) {
  double seconds = 0;
  for (int node = begin; node < end; ++node) seconds += chain.seconds[static_cast<size_t>(node)];
  return seconds * chain.stages[stage].seconds_factor;
}

Load evaluate(const Chain& chain, const std::vector<int>& cuts, DeviceLoads& loads) {
  StagePeaks peaks;
  for (size_t s = 0; s < chain.stages.size(); ++s) {
    for (int node = cuts[s]; node < cuts[s + 1]; ++node) loads.append(node, chain.stages[s]);
    peaks = peaks.with(chain, s, stage_seconds(chain, s, cuts[s], cuts[s + 1]));
  }
  return {loads.overflow(), loads.largest(), peaks.largest_s, peaks.rounds_s()};
}

// Moves one cut at a time, by steps that halve. A move counts as progress when the step became
// shorter, or else the devices' loads, largest first, became smaller word by word: work then flows
// on from a full device over full neighbours to an idle one.
class CutMover {
 public:
  CutMover(const Chain& chain, const std::vector<int>& cuts)
      : chain_(chain), loads_(chain), start_(loads_.mark()) {
    for (const int cut : cuts)
      at_.push_back(static_cast<size_t>(
          std::lower_bound(chain.cuts.begin(), chain.cuts.end(), cut) - chain.cuts.begin()));
    look();
    walked_ = seen_;
  }

  std::vector<int> run() {
    for (size_t step = std::max<size_t>(1, chain_.cuts.size() / at_.size()); step > 0; step /= 2)
      while (steps_ < kMoveBudget && sweep(step)) {
      }
    return best_cuts_;
  }

 private:
  struct Seen {
    int64_t overflow = 0;
    double step_s = 0;
    std::vector<double> seconds;  // descending
  };

  bool sweep(size_t step) {
    bool moved = false;
    for (size_t s = 1; s + 1 < at_.size() && steps_ < kMoveBudget; ++s) {
      const size_t before = at_[s];
      if (at_[s] + step < at_[s + 1]) moved |= try_at(s, before + step);
      if (at_[s] == before && before > at_[s - 1] + step) moved |= try_at(s, before - step);
    }
    return moved;
  }

  bool try_at(size_t s, size_t place) {
    const size_t before = std::exchange(at_[s], place);
    look();
    if (is_progress()) {
      walked_ = seen_;
      return true;
    }
    at_[s] = before;
    return false;
  }

  void look() {
    std::vector<int> cuts;
    for (const size_t index : at_) cuts.push_back(chain_.cuts[index]);
    loads_.restore(start_);
    const Load load = evaluate(chain_, cuts, loads_);
    steps_ += chain_.nodes();
    seen_ = {load.overflow_bytes, load.step_s(chain_), loads_.seconds()};
    std::sort(seen_.seconds.begin(), seen_.seconds.end(), std::greater<>());
    if (best_cuts_.empty() || is_better(chain_, load, best_)) {
      best_ = load;
      best_cuts_ = cuts;
    }
  }

  bool is_progress() const {
    if (seen_.overflow != walked_.overflow) return seen_.overflow < walked_.overflow;
    if (clearly_less(seen_.step_s, walked_.step_s)) return true;
    if (clearly_less(walked_.step_s, seen_.step_s)) return false;
    for (size_t d = 0; d < seen_.seconds.size(); ++d) {
      if (clearly_less(seen_.seconds[d], walked_.seconds[d])) return true;
      if (clearly_less(walked_.seconds[d], seen_.seconds[d])) return false;
    }
    return false;
  }

  const Chain& chain_;
  DeviceLoads loads_;
  DeviceLoads::Mark start_;
  std::vector<size_t> at_;  // indices into chain_.cuts
  Seen seen_, walked_;
  Load best_;
  std::vector<int> best_cuts_;
  int64_t steps_ = 0;
};

// Depth first over the stages in order. A branch ends where what is placed, or a bound on what is
// not, is no better than the best cuts known.
class BranchAndBound {
 public:
  BranchAndBound(const Chain& chain, const StageBound& bound, std::vector<int> cuts)
      : chain_(chain),
        bound_(bound),
        own_device_each_(chain.devices == static_cast<int>(chain.stages.size())),
        speed_(static_cast<size_t>(chain.devices)),
        work_behind_(chain.seconds.size() + 1),
        loads_(chain),
        best_(load_of(chain, cuts)),
        best_cuts_(std::move(cuts)),
        cuts_(best_cuts_) {
    for (const Stage& stage : chain.stages)
      speed_[static_cast<size_t>(stage.device)] = 1 / stage.seconds_factor;
    for (const double speed : speed_) total_speed_ += speed;
    fastest_ = *std::max_element(speed_.begin(), speed_.end());
    for (size_t i = chain.seconds.size(); i-- > 0;)
      work_behind_[i] = work_behind_[i + 1] + chain.seconds[i];
  }

  std::vector<int> run() {
    branch(0, 0, {});
    return best_cuts_;
  }

 private:
  void branch(size_t stage, size_t begin, const StagePeaks& placed) {
    const size_t behind = chain_.stages.size() - 1 - stage, last = chain_.cuts.size() - 1;
    const DeviceLoads::Mark start = loads_.mark();
    double seconds = 0;
    for (size_t end = begin + 1; end + behind <= last && steps_ < kBranchBudget; ++end) {
      for (int node = chain_.cuts[end - 1]; node < chain_.cuts[end]; ++node) {
        loads_.append(node, chain_.stages[stage]);
        seconds += chain_.seconds[static_cast<size_t>(node)] * chain_.stages[stage].seconds_factor;
        ++steps_;
      }
      const StagePeaks peaks = placed.with(chain_, stage, seconds);
      Load floor{loads_.overflow(), loads_.largest(), peaks.largest_s, peaks.rounds_s()};
      if (!is_better(chain_, floor, best_)) break;  // and a longer stage is no better
      cuts_[stage + 1] = chain_.cuts[end];
      if (behind == 0) {
        if (end == last) {
          best_ = floor;
          best_cuts_ = cuts_;
        }
        continue;
      }
      floor.largest_device_s = std::max(floor.largest_device_s, floor_of_rest(stage + 1, end));
      floor.largest_stage_s =
          std::max(peaks.largest_s, work_behind_[static_cast<size_t>(chain_.cuts[end])] /
                                        (static_cast<double>(behind) * fastest_));
      if (!is_better(chain_, floor, best_)) continue;
      const DeviceLoads::Mark here = loads_.mark();
      branch(stage + 1, end, peaks);
      loads_.restore(here);
    }
    loads_.restore(start);
  }

  // The largest device is no smaller than if the rest could be spread at will, and, with a device
  // for each stage, than the largest of the stages to come.
  double floor_of_rest(size_t stage, size_t cut) const {
    double work = work_behind_[static_cast<size_t>(chain_.cuts[cut])];
    for (size_t d = 0; d < speed_.size(); ++d) work += loads_.seconds()[d] * speed_[d];
    const double spread = work / total_speed_;
    return own_device_each_ ? std::max(spread, bound_.least(stage, cut)) : spread;
  }

  const Chain& chain_;
  const StageBound& bound_;
  bool own_device_each_;
  std::vector<double> speed_;  // [device]
  double total_speed_ = 0, fastest_ = 0;
  std::vector<double> work_behind_;  // [node]: seconds from it on, at speed 1
  DeviceLoads loads_;
  Load best_;
  std::vector<int> best_cuts_, cuts_;
  int64_t steps_ = 0;
};

}  // namespace

StagePeaks StagePeaks::with(const Chain& chain, size_t stage, double seconds) const {
  StagePeaks peaks = *this;
  peaks.largest_s = std::max(largest_s, seconds);
  if (!chain.in_rounds) return peaks;
  if (stage % static_cast<size_t>(chain.devices) == 0) {
    peaks.closed_rounds_s += round_s;
    peaks.round_s = 0;
  }
  peaks.round_s = std::max(peaks.round_s, seconds);
  return peaks;
}

bool is_better(const Chain& chain, const Load& a, const Load& b) {
  if (a.overflow_bytes != b.overflow_bytes) return a.overflow_bytes < b.overflow_bytes;
  const double step_a = a.step_s(chain), step_b = b.step_s(chain);
  if (clearly_less(step_a, step_b)) return true;
  if (clearly_less(step_b, step_a)) return false;
  return clearly_less(a.largest_device_s, b.largest_device_s);
}

Load load_of(const Chain& chain, const std::vector<int>& cuts) {
  DeviceLoads loads(chain);
  return evaluate(chain, cuts, loads);
}

std::vector<int> search_devices(const Chain& chain, const StageBound& bound,
                                std::vector<int> cuts) {
  cuts = CutMover(chain, cuts).run();
  return BranchAndBound(chain, bound, std::move(cuts)).run();
}

}  // namespace headrace::partitioners
