#include "plugins/partitioners/round_cuts.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace headrace::partitioners {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// One number for each run of pieces, by the cuts where it begins and ends.
class RunTable {
 public:
  explicit RunTable(size_t cuts) : cuts_(cuts), values_(cuts * cuts, kNever) {}
  double& at(size_t begin, size_t end) { return values_[begin * cuts_ + end]; }
  double at(size_t begin, size_t end) const { return values_[begin * cuts_ + end]; }

 private:
  size_t cuts_;
  std::vector<double> values_;
};

class Rounds {
 public:
  Rounds(const Chain& chain, const std::vector<int>& candidates)
      : chain_(chain),
        candidates_(candidates),
        devices_(static_cast<size_t>(chain.devices)),
        work_before_(candidates.size()),
        least_(candidates.size()) {
    for (size_t c = 1; c < candidates.size(); ++c) {
      work_before_[c] = work_before_[c - 1];
      for (int node = candidates[c - 1]; node < candidates[c]; ++node)
        work_before_[c] += chain.seconds[static_cast<size_t>(node)];
    }
    find_least();
  }

  std::vector<int> cuts() const {
    const size_t rounds = chain_.stages.size() / devices_, last = candidates_.size() - 1;
    // What the rounds from one on cost at least when it begins at a cut, and where it then ends.
    std::vector<double> rest(candidates_.size(), kNever);
    rest[last] = 0;
    std::vector<std::vector<size_t>> ends(rounds, std::vector<size_t>(candidates_.size(), last));
    for (size_t round = rounds; round-- > 0;) {
      std::vector<double> cost(candidates_.size(), kNever);
      for (size_t begin = 0; begin < last; ++begin)
        for (size_t end = begin + devices_; end <= last; ++end)
          if (const double all = least_.at(begin, end) + rest[end]; all < cost[begin]) {
            cost[begin] = all;
            ends[round][begin] = end;
          }
      rest = cost;
    }
    std::vector<int> cuts{0};
    for (size_t round = 0, begin = 0; round < rounds; begin = ends[round++][begin])
      append_stages(begin, ends[round][begin], cuts);
    return cuts;
  }

 private:
  double stage_s(size_t device, size_t begin, size_t end) const {
    return (work_before_[end] - work_before_[begin]) * chain_.stages[device].seconds_factor;
  }

  // least_[begin, end]: the least largest stage of one round over these pieces. One stage more at a
  // time: the earlier stages cost more the further they reach, the last one less, so the best place
  // between them is where the two meet.
  void find_least() {
    const size_t cuts = candidates_.size();
    for (size_t begin = 0; begin < cuts; ++begin)
      for (size_t end = begin + 1; end < cuts; ++end)
        least_.at(begin, end) = stage_s(0, begin, end);
    for (size_t device = 1; device < devices_; ++device) {
      RunTable longer(cuts);
      for (size_t begin = 0; begin < cuts; ++begin)
        for (size_t end = begin + device + 1; end < cuts; ++end) {
          size_t low = begin + device,
                 high = end - 1;  // the first where the earlier ones cost more
          while (low < high) {
            const size_t middle = (low + high) / 2;
            if (least_.at(begin, middle) < stage_s(device, middle, end))
              low = middle + 1;
            else
              high = middle;
          }
          double best = std::max(least_.at(begin, low), stage_s(device, low, end));
          if (low > begin + device)
            best =
                std::min(best, std::max(least_.at(begin, low - 1), stage_s(device, low - 1, end)));
          longer.at(begin, end) = best;
        }
      least_ = std::move(longer);
    }
  }

  // Each stage takes all pieces within the limit that leave one for every later stage.
  void append_stages(size_t begin, size_t end, std::vector<int>& cuts) const {
    const double limit = least_.at(begin, end) * (1 + 1e-12);
    for (size_t device = 0; device < devices_; ++device) {
      const size_t most = end - (devices_ - 1 - device);
      size_t cut = device + 1 == devices_ ? end : begin + 1;
      while (cut < most && stage_s(device, begin, cut + 1) <= limit) ++cut;
      cuts.push_back(candidates_[cut]);
      begin = cut;
    }
  }

  const Chain& chain_;
  const std::vector<int>& candidates_;
  size_t devices_;
  std::vector<double> work_before_;  // [cut], at speed 1
  RunTable least_;
};

}  // namespace

std::vector<int> least_round_cuts(const Chain& chain, const std::vector<int>& candidates) {
  return Rounds(chain, candidates).cuts();
}

}  // namespace headrace::partitioners
