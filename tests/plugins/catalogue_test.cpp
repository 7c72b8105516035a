// Every scheduler over a grid of devices, stages and micro-batches: valid, no deadlock, gradients
// in order, and the bubble and the memory that its paper gives.

#include <iterator>
#include <map>
#include <optional>

#include "scheduler/text.h"
#include "tests/plugins/schedules.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using namespace headrace::testing;

struct Shape {
  int p, v, m;
};

// What a scheduler promises. `bubble`: seconds lost per device in its span, when F = I = W = 1 and
// a transfer takes no time; nothing where no closed form holds. `activations`: stages' activations
// on a device from F to I; `held`: to the end of W.
struct Promise {
  const char* name = "";
  bool (*runs)(const Shape&) = nullptr;
  std::optional<double> (*bubble)(const Shape&) = nullptr;
  int (*activations)(const Shape&, int device) = nullptr;
  int (*held)(const Shape&, int device) = nullptr;
};

bool always(const Shape&) { return true; }
bool one_stage(const Shape& s) { return s.v == 1; }
bool two_stages(const Shape& s) { return s.v == 2; }
double ramp(const Shape& s) { return 3.0 * (s.p - 1) / s.v; }
// Breadth-first: fewer micro-batches than devices leave a gap in every later sweep.
std::optional<double> sweeps(const Shape& s) {
  return ramp(s) + 3.0 * (s.v - 1) / s.v * std::max(0, s.p - s.m);
}
int everything(const Shape& s, int) { return s.m * s.v; }
int depth_first(const Shape& s, int device) {
  const int group = s.m % s.p == 0 ? s.p : s.m;  // the fewest that fit, in this grid
  const int warm_up = 2 * (s.p - device - 1) + (s.v - 1) * group;
  return std::min(warm_up + 1, s.m * s.v);
}

const Promise kPromises[] = {
    {"gpipe", always, sweeps, everything, everything},
    {"breadth-first", always, sweeps, everything, everything},
    {"hybrid", always, sweeps, everything, everything},
    {"1f1b", one_stage, [](const Shape& s) { return std::optional(ramp(s)); },
     [](const Shape& s, int device) { return std::min(s.p - device, s.m); },
     [](const Shape& s, int device) { return std::min(s.p - device, s.m); }},
    {"interleaved", always,
     [](const Shape& s) { return s.m >= s.p ? std::optional(ramp(s)) : std::nullopt; }, depth_first,
     depth_first},
    {"zb-h1", one_stage,
     [](const Shape& s) { return std::optional(s.p - 1.0 + std::max(0, s.p - s.m)); },
     [](const Shape& s, int device) { return std::min(s.p - device, s.m); },
     [](const Shape& s, int) { return std::min(s.p, s.m); }},
    {"zb-h2", one_stage,
     [](const Shape& s) { return std::optional<double>(std::max(0, 2 * s.p - 1 - s.m)); },
     [](const Shape& s, int device) { return std::min(2 * (s.p - device) - 1, s.m); },
     [](const Shape& s, int) { return std::min(2 * s.p - 1, s.m); }},
    {"zb-v", two_stages,
     [](const Shape& s) { return std::optional<double>(std::max(0, 2 * s.p - 1 - s.m)); },
     [](const Shape& s, int device) {
       return std::min({2 * s.p, 2 * s.m, s.m + device + 1});
     },
     [](const Shape& s, int device) {
       return std::min({2 * s.p, 2 * s.m, s.m + device + 1});
     }},
    {"dualpipe-v", [](const Shape& s) { return s.v == 2 && s.m >= 2 * s.p; },
     // (p-1)(F&B + B - 3W) of half a device's share; the pair takes F + B.
     [](const Shape& s) { return std::optional(s.p - 1.0); },
     [](const Shape& s, int) { return 2 * s.p + 1; },
     [](const Shape& s, int) { return 2 * s.p + 1; }}};

std::vector<Shape> grid(const Promise& promise) {
  std::vector<Shape> shapes;
  for (const int p : {1, 2, 4, 8})
    for (const int v : {1, 2, 4})
      for (const int m : {1, 2, 3, 4, 8, 16, 32})
        if (const Shape shape{p, v, m}; promise.runs(shape)) shapes.push_back(shape);
  return shapes;
}

void expect_gradients_in_order(const Schedule& schedule) {
  std::map<int, int> next;  // stage -> the micro-batch whose gradient is due
  for (const auto& actions : schedule.devices)
    for (const Action& action : actions)
      for (const Action& part : ActionParts(action))
        if (part.kind == ActionKind::backward || part.kind == ActionKind::backward_weight) {
          EXPECT_EQ(part.microbatch, next[part.stage]++);
        }
}

TEST(Catalogue, ClosedFormsAndPeaks) {
  for (const Promise& promise : kPromises)
    for (const Shape& shape : grid(promise)) {
      const auto [p, v, m] = shape;
      SCOPED_TRACE(fmt::format("{} p={} v={} m={}", promise.name, p, v, m));
      const Schedule schedule = make(promise.name, p, v, m);
      const Simulation simulation = play(schedule, {});
      expect_gradients_in_order(schedule);
      if (const auto bubble = promise.bubble(shape)) {
        EXPECT_EQ(simulation.span_s, 3 * m + *bubble);
      }
      const std::vector<int> held = peak_until_weights(schedule);
      for (int device = 0; device < p; ++device) {
        EXPECT_EQ(simulation.peak_activations[device], promise.activations(shape, device));
        EXPECT_EQ(held[device], promise.held(shape, device));
      }
    }
}

// Their bubbles are a half and two thirds of 1F1B's; the memory is counted until W.
TEST(Catalogue, ControllableMemory) {
  const struct {
    const char* name;
    double share;              // of 1F1B's bubble, at most
    int (*held)(int devices);  // stages' activations, at most
  } promises[] = {{"v-half", 1.0 / 2, [](int p) { return p + 2; }},
                  {"v-min", 2.0 / 3, [](int p) { return 2 * (p + 4) / 3; }}};
  for (const auto& [name, share, held] : promises)
    for (const int p : {1, 2, 3, 4, 5, 6, 7, 8, 12, 16})
      for (const int m : {1, 2, 3, 4, 8, 16, 32}) {
        SCOPED_TRACE(fmt::format("{} p={} m={}", name, p, m));
        const Schedule schedule = make(name, p, 2, m);
        const Simulation simulation = play(schedule, {});
        expect_gradients_in_order(schedule);
        for (const int peak : peak_until_weights(schedule))
          EXPECT_LE(peak, std::min(held(p), 2 * m));
        const double one_f_one_b = 3.0 * (p - 1);
        // Blocks that would meet are moved apart, which costs the odd p and those that 3 divides.
        const double moved = p % 3 == 0 && p > 1 ? 0.5 : 0;
        if (m >= p) {
          EXPECT_LE(simulation.span_s - 3 * m, share * one_f_one_b + moved);
        }
      }
}

// One micro-batch per device, and as ZB-H2 holds: no device holds more, from F to W, and neither
// span is longer than the hand-made one's. Half a micro-batch is still held between I and W.
TEST(Catalogue, TheSearch) {
  for (const int p : {1, 2, 4, 8})
    for (const int m : {1, 2, 3, 4, 8, 16, 32})
      for (const auto& [handmade, limit] : {std::pair("zb-h1", p), std::pair("zb-h2", 2 * p - 1)}) {
        SCOPED_TRACE(fmt::format("p={} m={} limit={}", p, m, limit));
        const Schedule schedule = make("zb-search", p, 1, m, {{"limit", std::to_string(limit)}});
        const Simulation simulation = play(schedule, {});
        expect_gradients_in_order(schedule);
        EXPECT_LE(simulation.span_s, play(make(handmade, p, 1, m), {}).span_s);
        for (const auto& actions : schedule.devices) {
          double held = 0;
          for (const Action& action : actions) {
            held += action.kind == ActionKind::forward ? 1 : -0.5;
            EXPECT_LE(held, limit);
          }
        }
      }
}

// What any other scheduler made comes back from a file as it was, over the same grid.
TEST(Catalogue, SchedulesFromFiles) {
  const TemporaryFolder folder;
  std::vector<Promise> others(std::begin(kPromises), std::end(kPromises));
  for (const char* name : {"v-half", "v-min"}) others.push_back({.name = name, .runs = two_stages});
  for (const Promise& promise : others)
    for (const Shape& shape : grid(promise)) {
      const auto [p, v, m] = shape;
      SCOPED_TRACE(fmt::format("{} p={} v={} m={}", promise.name, p, v, m));
      const Schedule schedule = make(promise.name, p, v, m);
      const std::string path = folder.write("schedule.csv", to_csv(schedule));
      const Schedule read = make("csv", p, v, m, {{"file", path}});
      EXPECT_EQ(read.device_of_stage, schedule.device_of_stage);
      EXPECT_EQ(read.devices, schedule.devices);
    }
}

TEST(Catalogue, GroupsOfTheHybridRunOneAfterTheOther) {
  for (const int p : {1, 2, 4})
    for (const int v : {1, 2, 4})
      for (const int depth : {1, 2, 3}) {
        const int breadth = 4, m = depth * breadth;
        const Schedule schedule = make("hybrid", p, v, m, {{"depth", std::to_string(depth)}});
        const Simulation simulation = play(schedule, {});
        EXPECT_EQ(simulation.makespan_s, depth * (breadth * v + p - 1) * 3.0 / v);
        EXPECT_EQ(simulation.peak_activations, std::vector<int>(p, breadth * v));
      }
}

TEST(Catalogue, LargerGroupsHoldMore) {
  for (const int group : {4, 6, 8, 16}) {
    const Schedule schedule =
        make("interleaved", 4, 2, 16, {{"group-size", std::to_string(group)}});
    const Simulation simulation = play(schedule, {});
    EXPECT_EQ(simulation.makespan_s, 16 * 3 + 3 * 3.0 / 2);
    for (int device = 0; device < 4; ++device)
      EXPECT_EQ(simulation.peak_activations[device], 2 * (4 - device - 1) + group + 1);
  }
}

}  // namespace
}  // namespace headrace
