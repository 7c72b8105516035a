#include <gtest/gtest.h>

#include "executor/devices.h"
#include "tests/kernels/twin_device.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/pipelines/forwarding_device.h"

// Pointwise nodes that run as one kernel, on the CUDA backend compiled for the host.
namespace headrace {
namespace {

constexpr int kChainSteps = 3;

// A twin that counts its chains, or takes none.
class ChainingTwin : public ForwardingDevice {
 public:
  explicit ChainingTwin(int* made) : ForwardingDevice(make_twin_device()), made_(made) {}
  bool chains(const KernelRequest& request) override {
    return made_ != nullptr && ForwardingDevice::chains(request);
  }
  std::unique_ptr<Kernel> prepare_chain(std::span<const ChainLink> links) override {
    auto kernel = ForwardingDevice::prepare_chain(links);
    if (kernel != nullptr) ++*made_;
    return kernel;
  }

 private:
  int* made_;
};

std::map<std::string, HostTensor> trained_on_twins(const FixtureRun& run, int* made) {
  std::vector<std::unique_ptr<Device>> devices;
  for (int d = 0; d < device_count(run.devices); ++d)
    devices.push_back(std::make_unique<ChainingTwin>(made));
  FixtureTraining training(run, std::move(devices));
  for (int step = 0; step < kChainSteps; ++step) training.step();
  EXPECT_TRUE(training.pipeline().updated()) << run.model;
  return training.weights();
}

TEST(Chains, GiveTheWeightsOfNodesOneByOneOnEveryCut) {
  for (FixtureRun run :
       {FixtureRun{.model = "tests/fixtures/gpt_tied.dynamo.onnx", .precision = "bf16"},
        FixtureRun{
            .model = "tests/fixtures/gpt_tied.legacy.onnx", .clip_norm = 0.5, .precision = "f16"},
        FixtureRun{.model = "tests/fixtures/resnet_train.legacy.onnx"},
        FixtureRun{.model = "models/heat-unet/heat-unet.onnx",
        .batch = 4,
        .loss = "mse",
        .precision = "f16"}}) {
    const auto one_by_one = trained_on_twins(run, nullptr);
    struct Variant {
      const char* devices;
      int stages_per_device;
      const char* scheduler;
      const char* recompute;
    };
    for (const Variant& variant :
         {Variant{"cpu:1", 1, "gpipe", "auto"}, Variant{"cpu:2", 2, "breadth-first", "auto"},
          Variant{"cpu:2", 1, "zb-h1", "auto"}, Variant{"cpu:2", 1, "1f1b", "stage"}}) {
      run.devices = variant.devices;
      run.stages_per_device = variant.stages_per_device;
      run.scheduler = variant.scheduler;
      run.recompute = variant.recompute;
      int made = 0;
      EXPECT_EQ(differing(one_by_one, trained_on_twins(run, &made)), "")
          << run.model << " " << variant.devices << " " << variant.scheduler;
      EXPECT_GT(made, 0) << run.model << " " << variant.devices << " " << variant.scheduler;
    }
  }
}

}  // namespace
}  // namespace headrace
