#include <gmock/gmock.h>

#include <atomic>
#include <random>
#include <thread>

#include "executor/devices.h"
#include "graph/error.h"
#include "kernels/cpu/cpu_device.h"
#include "tests/kernels/twin_device.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/pipelines/queued_cpus.h"
#include "tests/pipelines/queued_device.h"

namespace headrace {
namespace {

using Devices = std::vector<std::unique_ptr<Device>>;

constexpr int kQueuedSteps = 4;  // kernels as they are, recorded, replayed

std::map<std::string, HostTensor> trained(const FixtureRun& run, Devices devices) {
  FixtureTraining training(run, std::move(devices));
  for (int step = 0; step < kQueuedSteps; ++step) training.step();
  return training.weights();
}

Devices queued_cpus(const FixtureRun& run, const std::function<void()>& on_kernel = {}) {
  return make_queued_cpus(device_count(run.devices), single_process(), on_kernel);
}

Devices queued_twins(const FixtureRun& run) {
  Devices devices;
  for (int d = 0; d < device_count(run.devices); ++d)
    devices.push_back(make_queued_device(make_twin_device()));
  return devices;
}

// Devices whose kernels run behind the program's back give the bits of those that are waited for.
TEST(Queued, TheSameWeightsAsDevicesThatAreWaitedFor) {
  for (FixtureRun run :
       {FixtureRun{.model = "tests/fixtures/gpt_tied.dynamo.onnx"},
        FixtureRun{.model = "tests/fixtures/gpt_tied.legacy.onnx", .clip_norm = 0.5},
        FixtureRun{.model = "models/fashion-cnn/fashion-cnn.onnx"},
        FixtureRun{.model = "models/heat-unet/heat-unet.onnx", .batch = 4, .loss = "mse"}}) {
    const auto one_device = train_fixture(run, kQueuedSteps);
    struct Variant {
      const char* devices;
      int stages_per_device;
      const char* scheduler;
    };
    for (const Variant& variant :
         {Variant{"cpu:1", 1, "gpipe"}, Variant{"cpu:2", 2, "breadth-first"},
          Variant{"cpu:4", 1, "1f1b"}, Variant{"cpu:2", 2, "zb-v"}}) {
      run.devices = variant.devices;
      run.stages_per_device = variant.stages_per_device;
      run.scheduler = variant.scheduler;
      EXPECT_EQ(differing(one_device, trained(run, queued_cpus(run, dawdle))), "")
          << run.model << " " << variant.devices << " " << variant.scheduler;
    }
  }
}

TEST(Queued, ReplicasGiveTheWeightsOfDevicesThatAreWaitedFor) {
  const FixtureRun run{.model = "tests/fixtures/resnet_train.legacy.onnx",
                       .devices = "cpu:4",
                       .stages_per_device = 2,
                       .scheduler = "breadth-first",
                       .microbatches = 2,
                       .data_parallel = 2};
  EXPECT_EQ(differing(train_fixture(on_one_device(run), kQueuedSteps),
                      trained(run, queued_cpus(run, dawdle))),
            "");
}

// The CUDA backend's layouts and kernels of its own, cut and whole.
TEST(Queued, TheCudaTwinGivesTheSameWeightsOnEveryCut) {
  for (FixtureRun run : {FixtureRun{.model = "tests/fixtures/gpt_tied.dynamo.onnx"},
                         FixtureRun{.model = "models/fashion-cnn/fashion-cnn.onnx"}}) {
    const auto one_device = trained(run, queued_twins(run));
    run.devices = "cpu:2";
    run.stages_per_device = 2;
    run.scheduler = "breadth-first";
    EXPECT_EQ(differing(one_device, trained(run, queued_twins(run))), "") << run.model;
  }
}

// What the twin has no kernels for, since it runs no libraries, is known.
TEST(Queued, DetoursAreNamed) {
  const FixtureRun run{.model = "models/fashion-cnn/fashion-cnn.onnx"};
  FixtureTraining twin(run, queued_twins(run));
  EXPECT_THAT(twin.pipeline().detours(),
              testing::ElementsAre("Conv", "ConvInputGrad", "ConvWeightGrad", "MatMul"));
  FixtureTraining cpu(run);
  EXPECT_THAT(cpu.pipeline().detours(), testing::IsEmpty());
}

TEST(Queued, TheCudaTwinLearnsAsTheCpuDoes) {
  for (const char* model :
       {"tests/fixtures/gpt_tied.dynamo.onnx", "models/fashion-cnn/fashion-cnn.onnx"}) {
    const FixtureRun run{.model = model, .optimizer = "sgd"};
    FixtureTraining cpu(run), twin(run, queued_twins(run));
    for (int step = 0; step < kQueuedSteps; ++step) {
      const double wanted = cpu.step();
      EXPECT_NEAR(twin.step(), wanted, 1e-5 * wanted) << model;
    }
  }
}

TEST(Queued, ActionsAreTimedWhereTheyRan) {
  const FixtureRun run{
      .model = "tests/fixtures/gpt_tied.dynamo.onnx", .devices = "cpu:2", .scheduler = "1f1b"};
  FixtureTraining training(run, queued_cpus(run));
  for (int step = 0; step < 3; ++step) {
    training.step();
    for (int d = 0; d < 2; ++d) {
      double before_s = 0;
      for (const ActionRecord& record : training.pipeline().actions(d)) {
        EXPECT_GE(record.start_s, before_s);
        EXPECT_GT(record.end_s, record.start_s);
        EXPECT_GE(record.waited_s, 0);
        EXPECT_LE(record.waited_s, record.end_s - record.start_s);
        before_s = record.end_s;
      }
      EXPECT_LT(before_s, training.pipeline().step_seconds());
    }
    EXPECT_FALSE(training.pipeline().transfers().empty());
  }
}

TEST(Queued, AFailureBehindTheBackEndsTheStepWithItsError) {
  const FixtureRun run{
      .model = "tests/fixtures/gpt_tied.dynamo.onnx", .devices = "cpu:4", .scheduler = "1f1b"};
  for (size_t failing_device = 0; failing_device < 4; ++failing_device) {
    std::atomic<bool> failing = false;
    Devices devices = queued_cpus(run);
    devices[failing_device] = make_queued_device(make_cpu_device(0, 1), [&] {
      if (failing) throw RunError("device lost");
    });
    FixtureTraining training(run, std::move(devices));
    training.step();
    failing = true;
    EXPECT_THAT([&] { training.step(); },
                testing::ThrowsMessage<RunError>(testing::HasSubstr("device lost")));
  }
}

}  // namespace
}  // namespace headrace
