// The schedulers that come with the program: what they emit, to the letter, and what it takes.

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "scheduler/lower.h"
#include "scheduler/plan_for.h"
#include "scheduler/simulate.h"
#include "scheduler/text.h"
#include "scheduler/validate.h"
#include "tests/plugins/problems.h"

namespace headrace {
namespace {

using headrace::testing::error_of;
using headrace::testing::kPlugins;
using ::testing::AllOf;
using ::testing::HasSubstr;

Schedule make(const std::string& name, int devices, int stages_per_device, int microbatches) {
  const auto scheduler = PluginRegistry({kPlugins}).load_scheduler(name);
  return scheduler->schedule(
      {.devices = devices,
       .microbatches = microbatches,
       .device_of_stage = scheduler->place(devices, stages_per_device, microbatches)});
}

std::string golden(const std::string& file) {
  std::ifstream stream(std::string(HEADRACE_GOLDEN_DIR) + "/" + file);
  EXPECT_TRUE(stream) << file;
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Schedulers, EmitTheGoldenLists) {
  EXPECT_EQ(to_csv(make("gpipe", 3, 1, 4)), golden("gpipe.csv"));
  EXPECT_EQ(to_csv(make("1f1b", 3, 1, 5)), golden("1f1b.csv"));
  EXPECT_EQ(to_csv(make("breadth-first", 2, 2, 3)), golden("breadth_first.csv"));
}

TEST(Schedulers, OneFOneBRunsOneStagePerDevice) {
  EXPECT_THAT(error_of([] { make("1f1b", 2, 2, 4); }),
              AllOf(HasSubstr("scheduler 1f1b"), HasSubstr("2 were asked for"),
                    HasSubstr("--stages-per-device 1"), HasSubstr("breadth-first")));
}

struct Shape {
  const char* name;
  int devices, stages_per_device, microbatches;
};

std::vector<Shape> shapes() {
  std::vector<Shape> shapes;
  for (const int devices : {1, 2, 3, 5})
    for (const int microbatches : {1, 2, 4, 7}) {
      shapes.push_back({"1f1b", devices, 1, microbatches});
      for (const int loops : {1, 2, 3})
        for (const char* name : {"gpipe", "breadth-first"})
          shapes.push_back({name, devices, loops, microbatches});
    }
  return shapes;
}

TEST(Schedulers, EveryShapeIsAWholeStepWithGradientsInOrder) {
  for (const auto& [name, devices, loops, microbatches] : shapes()) {
    SCOPED_TRACE(fmt::format("{} {}x{} m={}", name, devices, loops, microbatches));
    const Schedule schedule = make(name, devices, loops, microbatches);
    const StagePlan plan = plan_for(schedule.device_of_stage, StageCost{}, 1);
    validate(schedule, plan, name);
    validate(lower(schedule, plan), plan, name);
    std::map<int, int> next;  // stage -> the micro-batch whose gradient is due
    for (const auto& actions : schedule.devices)
      for (const Action& action : actions)
        if (action.kind == ActionKind::backward) {
          EXPECT_EQ(action.microbatch, next[action.stage]++);
        }
  }
}

// Four devices, eight micro-batches, F = I = W = 1 per device; latency 0 and 0.5.
TEST(Schedulers, TakeWhatTheirPapersSay) {
  const struct {
    const char* name;
    int loops;
    double makespan, makespan_half;
    std::vector<int> peak;
  } figures[] = {{"gpipe", 1, 33, 36, {8, 8, 8, 8}},
                 {"1f1b", 1, 33, 41, {4, 3, 2, 1}},
                 {"breadth-first", 2, 28.5, 31.5, {16, 16, 16, 16}},
                 {"breadth-first", 4, 26.25, 32.25, {32, 32, 32, 32}}};
  for (const auto& figure : figures) {
    SCOPED_TRACE(figure.name);
    const Schedule compute = make(figure.name, 4, figure.loops, 8);
    const double share = 1.0 / figure.loops;
    const StagePlan plan =
        plan_for(compute.device_of_stage,
                 {.forward_s = share, .backward_input_s = share, .backward_weight_s = share});
    const Schedule lowered = lower(compute, plan);
    const Simulation none = simulate(lowered, plan, {});
    EXPECT_EQ(none.makespan_s, figure.makespan);
    EXPECT_EQ(none.peak_activations, figure.peak);
    EXPECT_EQ(simulate(lowered, plan, {.latency_s = 0.5}).makespan_s, figure.makespan_half);
  }
}

}  // namespace
}  // namespace headrace
