#include "plugins/schedulers/zb_pipeline.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>

namespace headrace::zero_bubble {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kRounding = 1e-9;  // of memory, in micro-batches

// When what a device waits for arrives, as its neighbours run.
class Arrivals {
 public:
  explicit Arrivals(const Problem& problem)
      : problem_(problem),
        forward_(static_cast<size_t>(problem.devices) * problem.microbatches, kNever),
        input_(forward_) {
    std::fill(forward_.begin(), forward_.begin() + problem.microbatches, 0);
  }

  double forward(int device, int mb) const { return forward_[index(device, mb)]; }
  double input(int device, int mb) const { return input_[index(device, mb)]; }

  // Returns the device that waits for it, -1 for none.
  int ran(int device, const Turn& turn, double end) {
    const int last = problem_.devices - 1;
    if (turn.kind == HEADRACE_FORWARD) {
      if (device == last) {
        input_[index(last, turn.microbatch)] = end;
        return last;
      }
      forward_[index(device + 1, turn.microbatch)] = end + problem_.latency_s;
      return device + 1;
    }
    if (turn.kind == HEADRACE_BACKWARD_WEIGHT || device == 0) return -1;
    input_[index(device - 1, turn.microbatch)] = end + problem_.latency_s;
    return device - 1;
  }

 private:
  size_t index(int device, int mb) const {
    return static_cast<size_t>(device) * problem_.microbatches + static_cast<size_t>(mb);
  }

  const Problem& problem_;
  std::vector<double> forward_, input_;  // [device, micro-batch]
};

class Spans {
 public:
  explicit Spans(int devices) : first_(static_cast<size_t>(devices), kNever), last_(first_) {}

  void add(int device, double start, double end) {
    const auto d = static_cast<size_t>(device);
    first_[d] = std::min(first_[d], start);
    last_[d] = end;
  }
  Cost cost() const {
    Cost cost;
    for (size_t d = 0; d < first_.size(); ++d)
      cost.span_s = std::max(cost.span_s, last_[d] - first_[d]);
    cost.makespan_s = *std::max_element(last_.begin(), last_.end()) -
                      *std::min_element(first_.begin(), first_.end());
    return cost;
  }

 private:
  std::vector<double> first_, last_;
};

double change(const Problem& problem, int device, int kind) {
  const double stash = problem.stash[static_cast<size_t>(device)];
  return kind == HEADRACE_FORWARD ? 1 : kind == HEADRACE_BACKWARD_INPUT ? stash - 1 : -stash;
}

class Follower {
 public:
  Follower(const Problem& problem, const Policy& policy)
      : problem_(problem),
        policy_(policy),
        arrivals_(problem),
        spans_(problem.devices),
        devices_(static_cast<size_t>(problem.devices)) {
    answer_.lists.resize(devices_.size());
    for (auto& list : answer_.lists) list.reserve(3 * static_cast<size_t>(problem.microbatches));
    for (int d = 0; d < problem.devices; ++d) events_.emplace(0, d);
  }

  Answer run() {
    while (!events_.empty()) {
      const auto [now, device] = events_.top();
      events_.pop();
      if (state(device).free <= now) decide(device, now);
    }
    answer_.cost = spans_.cost();
    return std::move(answer_);
  }

 private:
  struct Device {
    int forwards = 0, inputs = 0, weights = 0;
    double free = 0, held = 0;
  };
  using Event = std::pair<double, int>;  // (time, device)

  Device& state(int device) { return devices_[static_cast<size_t>(device)]; }

  bool has_room(int device) {
    return state(device).held + 1 <= problem_.limit[static_cast<size_t>(device)] + kRounding;
  }

  void decide(int d, double now) {
    const Device& s = state(d);
    const int m = problem_.microbatches, owes = s.inputs - s.weights;
    const auto index = static_cast<size_t>(d);
    if (owes > policy_.owed[index]) return start(d, {HEADRACE_BACKWARD_WEIGHT, s.weights}, now);
    const bool may_forward = s.forwards < m && s.forwards - s.inputs < policy_.in_flight[index];
    const double forward = may_forward ? arrivals_.forward(d, s.forwards) : kNever;
    const double input = s.inputs < s.forwards ? arrivals_.input(d, s.inputs) : kNever;
    const bool room = has_room(d), forward_now = forward <= now && room;
    if (input <= now && !(forward_now && policy_.forward_first))
      return start(d, {HEADRACE_BACKWARD_INPUT, s.inputs}, now);
    if (forward_now) return start(d, {HEADRACE_FORWARD, s.forwards}, now);
    const bool blocked = forward <= now;  // by memory
    const bool draining = s.inputs == m;
    const double next =
        draining ? kNever : std::min({input, room ? forward : kNever, now + soonest_unknown(d)});
    const double part = (1 - policy_.overrun) * problem_.weight_s[index];
    if (owes > 0 && (blocked || now + part <= next))
      return start(d, {HEADRACE_BACKWARD_WEIGHT, s.weights}, now);
    const double wake = std::min(input, room ? forward : kNever);
    if (wake < kNever) events_.emplace(wake, d);
  }

  // What no neighbour has begun cannot be there earlier.
  double soonest_unknown(int d) const {
    double seconds = kNever;
    if (d > 0) seconds = problem_.forward_s[static_cast<size_t>(d) - 1];
    if (d + 1 < problem_.devices)
      seconds = std::min(seconds, problem_.input_s[static_cast<size_t>(d) + 1]);
    return seconds + problem_.latency_s;
  }

  void start(int d, const Turn& turn, double now) {
    Device& s = state(d);
    ++(turn.kind == HEADRACE_FORWARD          ? s.forwards
       : turn.kind == HEADRACE_BACKWARD_INPUT ? s.inputs
                                              : s.weights);
    s.held += change(problem_, d, turn.kind);
    s.free = now + problem_.seconds(d, turn.kind);
    spans_.add(d, now, s.free);
    answer_.lists[static_cast<size_t>(d)].push_back(turn);
    events_.emplace(s.free, d);
    if (const int reader = arrivals_.ran(d, turn, s.free); reader >= 0 && reader != d)
      events_.emplace(s.free + problem_.latency_s, reader);
  }

  const Problem& problem_;
  const Policy& policy_;
  Arrivals arrivals_;
  Spans spans_;
  std::vector<Device> devices_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  Answer answer_;
};

}  // namespace

Cost cost_of(const Problem& problem, const Lists& lists) {
  Arrivals arrivals(problem);
  Spans spans(problem.devices);
  std::vector<size_t> next(lists.size());
  std::vector<double> free(lists.size());
  std::vector<int> ready(lists.size());
  for (size_t d = 0; d < lists.size(); ++d) ready[d] = static_cast<int>(lists.size() - 1 - d);
  while (!ready.empty()) {
    const int device = ready.back();
    const auto d = static_cast<size_t>(device);
    ready.pop_back();
    for (; next[d] < lists[d].size(); ++next[d]) {
      const Turn& turn = lists[d][next[d]];
      double start = free[d];
      if (turn.kind == HEADRACE_FORWARD)
        start = std::max(start, arrivals.forward(device, turn.microbatch));
      if (turn.kind == HEADRACE_BACKWARD_INPUT)
        start = std::max(start, arrivals.input(device, turn.microbatch));
      if (start == kNever) break;
      free[d] = start + problem.seconds(device, turn.kind);
      spans.add(device, start, free[d]);
      if (const int reader = arrivals.ran(device, turn, free[d]); reader >= 0 && reader != device)
        ready.push_back(reader);
    }
  }
  return spans.cost();
}

bool fits(const Problem& problem, const Lists& lists) {
  for (size_t d = 0; d < lists.size(); ++d) {
    double held = 0;
    for (const Turn& turn : lists[d]) {
      held += change(problem, static_cast<int>(d), turn.kind);
      if (held > problem.limit[d] + kRounding) return false;
    }
  }
  return true;
}

Answer follow(const Problem& problem, const Policy& policy) {
  return Follower(problem, policy).run();
}

Answer build(const Problem& problem, const Shape& shape) {
  Answer answer;
  const int m = problem.microbatches;
  int most_ahead = m;  // a device that is further than the one before would wait for it
  for (int device = 0; device < problem.devices; ++device) {
    const auto d = static_cast<size_t>(device);
    most_ahead =
        std::min({most_ahead, shape.ahead[d], static_cast<int>(problem.limit[d] + kRounding) - 1});
    std::vector<Turn>& turns = answer.lists.emplace_back();
    turns.reserve(3 * static_cast<size_t>(m));
    int forwards = 0, inputs = 0, weights = 0;
    double held = 0;
    const auto add = [&](int kind, int& count) {
      turns.push_back({kind, count++});
      held += change(problem, device, kind);
    };
    while (forwards < most_ahead) add(HEADRACE_FORWARD, forwards);
    while (inputs < m) {
      if (forwards < m) {
        while (weights < inputs && held + 1 > problem.limit[d] + kRounding)
          add(HEADRACE_BACKWARD_WEIGHT, weights);
        add(HEADRACE_FORWARD, forwards);
      }
      add(HEADRACE_BACKWARD_INPUT, inputs);
      if (inputs - weights > shape.owed[d]) add(HEADRACE_BACKWARD_WEIGHT, weights);
    }
    while (weights < m) add(HEADRACE_BACKWARD_WEIGHT, weights);
  }
  answer.cost = cost_of(problem, answer.lists);
  return answer;
}

}  // namespace headrace::zero_bubble
