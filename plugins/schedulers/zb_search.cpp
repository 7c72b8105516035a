// The automatic schedule of Zero Bubble (Qi et al., arXiv 2401.10241): the best order of F, I and W
// that a search finds within a memory limit per device. The search walks over rules that devices
// follow in time (zb_pipeline.h): how many micro-batches a device lets in, how many W it may owe,
// what fills a gap. It starts from a grid of them, goes uphill from the best, device by device, and
// never answers anything worse than ZB-H1 or ZB-H2 where those fit.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <locale>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "plugins/schedulers/zb_pipeline.h"
#include "plugins/sdk.h"

using namespace headrace;
using namespace headrace::zero_bubble;

static constexpr headrace_option options[] = {
    sdk::string_option(
        "limit", "",
        "Micro-batches that a device may hold: a number, or one per device (8,8,6); "
        "empty: as the devices' memory allows where it is known, else 2 per device."),
    sdk::float_option("stash", "0.5", "0", "1",
                      "What a micro-batch still holds between I and W, as a share of what it holds "
                      "before; used where the stages' bytes are not known."),
};

namespace {

// Actions that all attempts together may play: a second or two of one core.
constexpr int64_t kBudget = 24'000'000;
constexpr int kAnyDebt = std::numeric_limits<int>::max();

class Search {
 public:
  explicit Search(const Problem& problem)
      : problem_(problem),
        attempts_(std::max<int64_t>(
            16, kBudget / (int64_t{3} * problem.devices * problem.microbatches))) {}

  Lists run() {
    for (const int depth : {1, 2}) try_handmade(depth);
    if (best_) worst_makespan_s_ = best_->cost.makespan_s;
    const std::vector<Policy> grid = policies();
    const auto all = static_cast<int64_t>(grid.size());
    const int64_t stride = (all + attempts_ - 1) / attempts_;
    for (int64_t i = 0; i < all; i += stride) attempt(grid[static_cast<size_t>(i)]);
    while (attempts_ > 0 && improve()) {
    }
    return std::move(best_->lists);
  }

 private:
  std::vector<Policy> policies() const {
    std::vector<Policy> grid;
    for (int eighths = 8; eighths <= 28; ++eighths)
      for (const double debt : {-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0})
        for (const double overrun : {0.0, 0.5, 1.0})
          for (const bool forward_first : {false, true})
            grid.push_back(policy(eighths / 8.0, debt, overrun, forward_first));
    return grid;
  }

  // Devices let in `ahead` micro-batches more for each device behind them, and owe `debt` W more
  // for each device before them; a negative debt: as many as memory allows.
  Policy policy(double ahead, double debt, double overrun, bool forward_first) const {
    Policy policy{.overrun = overrun, .forward_first = forward_first};
    for (int d = 0; d < problem_.devices; ++d) {
      policy.in_flight.push_back(1 +
                                 static_cast<int>(std::lround(ahead * (problem_.devices - 1 - d))));
      policy.owed.push_back(debt < 0 ? kAnyDebt : static_cast<int>(std::lround(debt * d)));
    }
    return policy;
  }

  void try_handmade(int depth) {
    Answer answer;
    for (int d = 0; d < problem_.devices; ++d)
      answer.lists.push_back(handmade(d, problem_.devices, problem_.microbatches, depth));
    if (!fits(problem_, answer.lists)) return;
    answer.cost = cost_of(problem_, answer.lists);
    if (!best_ || answer.cost < best_->cost) best_ = std::move(answer);
  }

  bool attempt(const Policy& policy) {
    --attempts_;
    Answer answer = follow(problem_, policy);
    if (best_ && answer.cost.makespan_s > worst_makespan_s_) return false;
    const bool better_policy = !policy_ || answer.cost < policy_cost_;
    if (better_policy) {
      policy_ = policy;
      policy_cost_ = answer.cost;
    }
    if (!best_ || answer.cost < best_->cost) best_ = std::move(answer);
    return better_policy;
  }

  // Each device's two numbers up and down by one, kept where it helps. False: nothing helped.
  bool improve() {
    bool helped = false;
    for (size_t d = 0; policy_ && d < static_cast<size_t>(problem_.devices); ++d)
      for (const int step : {1, -1, 2, -2}) {
        if (attempts_ <= 0) return false;
        Policy ahead = *policy_, debt = *policy_;
        ahead.in_flight[d] = std::max(1, ahead.in_flight[d] + step);
        helped |= attempt(ahead);
        debt.owed[d] = std::max(0, std::min(debt.owed[d], problem_.microbatches) + step);
        helped |= attempt(debt);
      }
    return helped;
  }

  const Problem& problem_;
  int64_t attempts_;
  std::optional<Answer> best_;
  double worst_makespan_s_ = 0;
  std::optional<Policy> policy_;  // the best, and what it costs
  Cost policy_cost_;
};

std::istringstream reading(const std::string& text) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  return stream;
}

[[noreturn]] void refuse_limit(const std::string& text, const std::string& why) {
  throw std::invalid_argument("limit '" + text + "': " + why);
}

// "8" or "8,8,6".
std::vector<double> limits_in(const std::string& text, int devices) {
  std::vector<double> limits;
  std::istringstream cells = reading(text);
  for (std::string cell; std::getline(cells, cell, ',');) {
    std::istringstream number = reading(cell);
    double limit = 0;
    if (!(number >> limit) || number.peek() != std::istringstream::traits_type::eof() || limit < 1)
      refuse_limit(text, "'" + cell + "' is not a number of micro-batches, 1 or more");
    limits.push_back(limit);
  }
  if (limits.size() == 1) limits.resize(static_cast<size_t>(devices), limits[0]);
  if (limits.size() != static_cast<size_t>(devices))
    refuse_limit(text, std::to_string(limits.size()) + " numbers for " + std::to_string(devices) +
                           " devices; give one, or one per device");
  return limits;
}

std::vector<double> limits_of(const sdk::ScheduleRequest& r) {
  if (const auto text = r.option<std::string>("limit"); !text.empty())
    return limits_in(text, r.devices());
  std::vector<double> limits;
  for (int d = 0; d < r.devices(); ++d) {
    const auto bytes = static_cast<double>(r.memory_limit_bytes(d));
    const auto each = static_cast<double>(r.activation_bytes(d));
    if (bytes > 0 && bytes < each)
      throw std::invalid_argument(
          "device " + std::to_string(d) + " may hold " + std::to_string(r.memory_limit_bytes(d)) +
          " bytes of activations, one micro-batch takes " + std::to_string(r.activation_bytes(d)));
    limits.push_back(bytes > 0 && each > 0 ? bytes / each : 2.0 * r.devices());
  }
  return limits;
}

Problem problem_of(const sdk::ScheduleRequest& r) {
  Problem problem{.devices = r.devices(), .microbatches = r.microbatches()};
  problem.latency_s = r.latency_s();
  problem.limit = limits_of(r);
  for (int d = 0; d < r.devices(); ++d) {
    problem.forward_s.push_back(r.forward_s(d));
    problem.input_s.push_back(r.backward_input_s(d));
    problem.weight_s.push_back(r.backward_weight_s(d));
    const auto held = static_cast<double>(r.activation_bytes(d));
    const auto stash = static_cast<double>(r.weight_stash_bytes(d));
    problem.stash.push_back(held > 0 ? std::min(1.0, stash / held) : r.option<double>("stash"));
  }
  const bool timeless = std::all_of(problem.forward_s.begin(), problem.forward_s.end(),
                                    [](double seconds) { return seconds <= 0; });
  if (timeless) {  // nothing is known of the stages: all alike
    problem.forward_s.assign(problem.forward_s.size(), 1);
    problem.input_s = problem.weight_s = problem.forward_s;
  }
  return problem;
}

}  // namespace

static void zb_search(const sdk::ScheduleRequest& r) {
  const Problem problem = problem_of(r);
  const Lists lists = Search(problem).run();
  for (int stage = 0; stage < r.stages(); ++stage)
    emit(r, stage, lists[static_cast<size_t>(stage)]);
}

HEADRACE_DEFINE_SCHEDULER("zb-search", "The least bubble found within a memory limit per device.",
                          zb_search, sdk::one_stage_per_device, options)
