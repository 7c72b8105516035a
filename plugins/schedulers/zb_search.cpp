// The automatic schedule of Zero Bubble (Qi et al., arXiv 2401.10241): the best order of F, I and W
// that a search finds within a memory limit per device. The search walks over two families
// (zb_pipeline.h): fixed orders like the hand-made ones, by how many micro-batches a device lets in
// and how many W it may owe, and rules that devices follow in time, which also say what fills a
// gap. In each it starts from a grid and goes uphill from the best, device by device. It never
// answers anything worse than ZB-H1 or ZB-H2 where those fit.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
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

// Actions that the attempts in each family may play: a second or two of one core.
constexpr int64_t kBudget = 24'000'000;
constexpr double kRounding = 1e-12;  // of sums of seconds, relative
constexpr int kAnyDebt = std::numeric_limits<int>::max();

// The best member of a family whose members have two numbers per device: how many micro-batches it
// lets in and how many W it may owe.
template <typename Member>
class Climb {
 public:
  using Play = Answer (*)(const Problem&, const Member&);
  using Numbers = std::vector<int> Member::*;

  Climb(const Problem& problem, Play play, Numbers in_flight, Numbers owed, int64_t attempts)
      : problem_(problem), play_(play), in_flight_(in_flight), owed_(owed), attempts_(attempts) {}

  // Answers from a grid, and from there on what changes of single devices improve. Those whose
  // makespan is larger than `worst_makespan_s` are passed over.
  std::optional<Answer> run(const std::vector<Member>& grid, double worst_makespan_s) {
    worst_makespan_s_ = worst_makespan_s;
    const auto all = static_cast<int64_t>(grid.size());
    const int64_t stride = (all + attempts_ - 1) / attempts_;
    for (int64_t i = 0; i < all; i += stride) attempt(grid[static_cast<size_t>(i)]);
    while (attempts_ > 0 && improve()) {
    }
    return std::move(best_);
  }

 private:
  bool attempt(const Member& member) {
    --attempts_;
    Answer answer = play_(problem_, member);
    if (answer.cost.makespan_s > worst_makespan_s_ || (best_ && !(answer.cost < best_->cost)))
      return false;
    best_ = std::move(answer);
    best_member_ = member;
    return true;
  }

  // Each device's two numbers up and down, kept where it helps. False: nothing helped.
  bool improve() {
    bool helped = false;
    for (size_t d = 0; best_ && d < static_cast<size_t>(problem_.devices); ++d)
      for (const int step : {1, -1, 2, -2, 4, -4}) {
        if (attempts_ <= 0) return false;
        helped |= change(in_flight_, d, 1, step);
        helped |= change(owed_, d, 0, step);
      }
    return helped;
  }

  bool change(Numbers numbers, size_t device, int least, int step) {
    Member changed = best_member_;
    int& number = (changed.*numbers)[device];
    const int before = std::min(number, problem_.microbatches);
    number = std::max(least, before + step);
    return number != before && attempt(changed);
  }

  const Problem& problem_;
  const Play play_;
  const Numbers in_flight_, owed_;
  int64_t attempts_;
  double worst_makespan_s_ = 0;
  std::optional<Answer> best_;
  Member best_member_;
};

std::vector<int> per_device(const Problem& problem, const std::function<double(int)>& number) {
  std::vector<int> numbers;
  for (int d = 0; d < problem.devices; ++d)
    numbers.push_back(static_cast<int>(std::lround(number(d))));
  return numbers;
}

// Every device lets in `ahead` micro-batches for each device behind it, and may owe `owed` W for
// each device before it and `more`.
std::vector<Shape> shapes(const Problem& problem) {
  std::vector<Shape> grid;
  for (int eighths = 4; eighths <= 28; ++eighths)
    for (int halves = 0; halves <= 12; ++halves)
      for (const int more : {0, 1})
        grid.push_back(
            {.ahead = per_device(
                 problem,
                 [&](int d) { return std::floor(eighths * (problem.devices - 1 - d) / 8.0); }),
             .owed = per_device(problem, [&](int d) { return halves * d / 2.0 + more; })});
  return grid;
}

// The same; a negative debt: as many as memory allows.
std::vector<Policy> policies(const Problem& problem) {
  std::vector<Policy> grid;
  for (int eighths = 8; eighths <= 28; ++eighths)
    for (const double debt : {-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0})
      for (const double overrun : {0.0, 0.5, 1.0})
        for (const bool forward_first : {false, true})
          grid.push_back(
              {.in_flight = per_device(
                   problem, [&](int d) { return 1 + eighths * (problem.devices - 1 - d) / 8.0; }),
               .owed = per_device(problem, [&](int d) { return debt < 0 ? kAnyDebt : debt * d; }),
               .overrun = overrun,
               .forward_first = forward_first});
  return grid;
}

Lists search(const Problem& problem) {
  std::optional<Answer> best;
  const auto take = [&](std::optional<Answer> answer) {
    if (answer && (!best || answer->cost < best->cost)) best = std::move(answer);
  };
  for (const int depth : {1, 2}) {
    Answer answer;
    for (int d = 0; d < problem.devices; ++d)
      answer.lists.push_back(handmade(d, problem.devices, problem.microbatches, depth));
    if (!fits(problem, answer.lists)) continue;
    answer.cost = cost_of(problem, answer.lists);
    take(std::move(answer));
  }
  const double worst_makespan_s =
      best ? best->cost.makespan_s * (1 + kRounding) : std::numeric_limits<double>::infinity();
  const int64_t attempts =
      std::max<int64_t>(16, kBudget / (int64_t{3} * problem.devices * problem.microbatches));
  take(Climb<Shape>(problem, build, &Shape::ahead, &Shape::owed, attempts)
           .run(shapes(problem), worst_makespan_s));
  take(Climb<Policy>(problem, follow, &Policy::in_flight, &Policy::owed, attempts)
           .run(policies(problem), worst_makespan_s));
  return std::move(best->lists);
}

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
  const Lists lists = search(problem);
  for (int stage = 0; stage < r.stages(); ++stage)
    emit(r, stage, lists[static_cast<size_t>(stage)]);
}

HEADRACE_DEFINE_SCHEDULER("zb-search", "The least bubble found within a memory limit per device.",
                          zb_search, sdk::one_stage_per_device, options)
