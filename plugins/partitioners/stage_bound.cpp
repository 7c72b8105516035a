#include "plugins/partitioners/stage_bound.h"

#include <algorithm>
#include <utility>

namespace headrace::partitioners {
namespace {

constexpr size_t kCoarseCuts = 192;
// Sums of the same seconds in another order differ by less than this.
constexpr double kRounding = 1 + 1e-12;

// The costs of [begin, end) while `end` moves on, node by node.
class GrowingStage {
 public:
  GrowingStage(const Chain& chain, int begin) : chain_(chain), begin_(begin) {}

  void append(int node) {
    const auto i = static_cast<size_t>(node);
    seconds_ += chain_.seconds[i];
    parameter_bytes_ += chain_.parameter_bytes[i];
    activation_bytes_ += chain_.activation_bytes[i];
    for (const Use& use : chain_.uses[i]) {
      const Value& value = chain_.values[static_cast<size_t>(use.value)];
      if (value.producer < begin_) {
        if (use.previous < begin_) received_ += value.seconds;
      } else if (value.producer > node) {
        if (use.previous < begin_) awaited_ += value.seconds;
      } else if (node == value.readers.back() && value.readers.front() >= begin_) {
        sent_ -= value.seconds;
      }
    }
    for (const int output : chain_.outputs[i]) {
      const Value& value = chain_.values[static_cast<size_t>(output)];
      if (value.reader_before >= begin_) awaited_ -= value.seconds;
      if (value.readers.front() < begin_ || value.readers.back() > node) sent_ += value.seconds;
    }
  }

  // Never falls while the stage grows.
  double floor(double least_factor) const { return seconds_ * least_factor + received_; }
  double cost(const Stage& stage) const {
    return seconds_ * stage.seconds_factor + received_ + std::max(awaited_, 0.0) +
           std::max(sent_, 0.0);
  }
  bool fits(const Stage& stage) const {
    return stage.memory_bytes == 0 ||
           parameter_bytes_ + activation_bytes_ * stage.in_flight <= stage.memory_bytes;
  }

 private:
  const Chain& chain_;
  int begin_;
  double seconds_ = 0, received_ = 0;
  double awaited_ = 0, sent_ = 0;  // until its producer, its last reader are in the stage too
  int64_t parameter_bytes_ = 0, activation_bytes_ = 0;
};

// Seconds of transfers that a cut before each node makes necessary at the least.
std::vector<double> crossing_seconds(const Chain& chain) {
  std::vector<double> change(static_cast<size_t>(chain.nodes()) + 2);
  const auto add = [&](int first, int last, double seconds) {
    change[static_cast<size_t>(first)] += seconds;
    change[static_cast<size_t>(last) + 1] -= seconds;
  };
  for (const Value& value : chain.values)
    add(std::min(value.producer, value.readers.front()) + 1,
        std::max(value.producer, value.readers.back()), value.seconds);
  for (size_t i = 1; i < change.size(); ++i) change[i] += change[i - 1];
  return change;
}

// Which stages may begin at a cut when none may cost more than `upper`: those before must hold the
// work before it, those behind the rest, and none may be empty.
class StageWindow {
 public:
  StageWindow(const Chain& chain, const std::vector<int>& cuts, double upper)
      : stages_(chain.stages.size()),
        work_before_(cuts.size()),
        room_before_(stages_ + 1),
        room_behind_(stages_ + 1) {
    for (size_t c = 1; c < cuts.size(); ++c) {
      work_before_[c] = work_before_[c - 1];
      for (int node = cuts[c - 1]; node < cuts[c]; ++node)
        work_before_[c] += chain.seconds[static_cast<size_t>(node)];
    }
    const auto room = [&](size_t s) { return upper * kRounding / chain.stages[s].seconds_factor; };
    for (size_t s = 0; s < stages_; ++s) room_before_[s + 1] = room_before_[s] + room(s);
    for (size_t s = stages_; s-- > 0;) room_behind_[s] = room_behind_[s + 1] + room(s);
  }

  bool holds(size_t cut, size_t stage) const {
    const size_t pieces = work_before_.size() - 1;
    if (stage == 0 || cut == 0) return stage == 0 && cut == 0;
    return stage <= cut && stages_ - stage <= pieces - cut &&
           work_before_[cut] <= room_before_[stage] * kRounding &&
           work_before_[pieces] - work_before_[cut] <= room_behind_[stage] * kRounding;
  }

 private:
  size_t stages_;
  std::vector<double> work_before_;                // [cut] seconds
  std::vector<double> room_before_, room_behind_;  // [stage] seconds within `upper`
};

}  // namespace

StageBound::StageBound(const Chain& chain, std::vector<int> cuts_to_use, double upper)
    : cuts_(std::move(cuts_to_use)), upper_(upper), row_(chain.stages.size() + 1) {
  const size_t stages = chain.stages.size(), last = cuts_.size() - 1;
  least_.assign(cuts_.size() * row_, kNever);
  next_.assign(cuts_.size() * row_, -1);
  least_[last * row_ + stages] = 0;

  double least_factor = kNever;
  for (const Stage& stage : chain.stages)
    least_factor = std::min(least_factor, stage.seconds_factor);
  const StageWindow window(chain, cuts_, upper);
  std::vector<size_t> candidates;  // stages that may begin at the cut
  for (size_t begin = last; begin-- > 0;) {
    candidates.clear();
    for (size_t s = 0; s < stages; ++s)
      if (window.holds(begin, s)) candidates.push_back(s);
    if (candidates.empty()) continue;

    double* least = &least_[begin * row_];
    int* next = &next_[begin * row_];
    GrowingStage stage(chain, cuts_[begin]);
    for (size_t end = begin + 1; end <= last; ++end) {
      for (int node = cuts_[end - 1]; node < cuts_[end]; ++node) stage.append(node);
      if (stage.floor(least_factor) > upper * kRounding) break;
      const double* rest = &least_[end * row_];
      for (const size_t s : candidates) {
        if (rest[s + 1] >= least[s]) continue;
        const double largest = std::max(stage.cost(chain.stages[s]), rest[s + 1]);
        if (largest >= least[s] || !stage.fits(chain.stages[s])) continue;
        least[s] = largest;
        next[s] = static_cast<int>(end);
      }
    }
  }
}

std::vector<int> StageBound::best_cuts() const {
  std::vector<int> cuts{0};
  size_t cut = 0;
  for (size_t s = 0; s + 1 < row_; ++s) {
    cut = static_cast<size_t>(next_[cut * row_ + s]);
    cuts.push_back(cuts_[cut]);
  }
  return cuts;
}

std::vector<int> coarse_cuts(const Chain& chain) {
  const std::vector<double> crossing = crossing_seconds(chain);
  double total = 0;
  for (const double seconds : chain.seconds) total += seconds;
  // Where nothing takes time every node has an equal share.
  const auto work = [&](int node) {
    return total > 0 ? chain.seconds[static_cast<size_t>(node)] : 1.0;
  };
  const double all = total > 0 ? total : static_cast<double>(chain.nodes());
  const double share = all / static_cast<double>(kCoarseCuts);

  std::vector<int> coarse{0};
  int best = -1;
  double done = 0, next = share;
  int node = 0;
  for (size_t c = 1; c + 1 < chain.cuts.size(); ++c) {
    const int cut = chain.cuts[c];
    for (; node < cut; ++node) done += work(node);
    if (best < 0 || crossing[static_cast<size_t>(cut)] < crossing[static_cast<size_t>(best)])
      best = cut;
    if (done < next) continue;
    coarse.push_back(best);
    best = -1;
    while (next <= done) next += share;
  }
  if (best >= 0) coarse.push_back(best);
  coarse.push_back(chain.nodes());
  return coarse;
}

}  // namespace headrace::partitioners
