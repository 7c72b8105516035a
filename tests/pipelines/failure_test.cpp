#include <gmock/gmock.h>

#include <atomic>

#include "executor/devices.h"
#include "graph/error.h"
#include "tests/pipelines/fixture_run.h"

namespace headrace {
namespace {

// A device whose kernels throw once `failing` is set.
class FailingDevice : public Device {
 public:
  FailingDevice(std::unique_ptr<Device> inner, const std::atomic<bool>& failing)
      : inner_(std::move(inner)), failing_(failing) {}

  const std::string& name() const override { return inner_->name(); }
  void bind_thread() override { inner_->bind_thread(); }
  Buffer allocate(size_t bytes) override { return inner_->allocate(bytes); }
  LayoutProposal propose_layouts(const KernelRequest& request) override {
    return inner_->propose_layouts(request);
  }
  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override {
    auto kernel = inner_->prepare(request);
    if (kernel == nullptr) return nullptr;
    return std::make_unique<FailingKernel>(std::move(kernel), failing_);
  }
  void upload(const TensorType& type, const Layout& layout, const void* host,
              void* device) override {
    inner_->upload(type, layout, host, device);
  }
  void download(const TensorType& type, const Layout& layout, const void* device,
                void* host) override {
    inner_->download(type, layout, device, host);
  }

 private:
  class FailingKernel : public Kernel {
   public:
    FailingKernel(std::unique_ptr<Kernel> inner, const std::atomic<bool>& failing)
        : inner_(std::move(inner)), failing_(failing) {}
    size_t workspace_bytes() const override { return inner_->workspace_bytes(); }
    int in_place_input(size_t output) const override { return inner_->in_place_input(output); }
    void run(const KernelArgs& args) const override {
      if (failing_) throw RunError("device lost");
      inner_->run(args);
    }

   private:
    std::unique_ptr<Kernel> inner_;
    const std::atomic<bool>& failing_;
  };

  std::unique_ptr<Device> inner_;
  const std::atomic<bool>& failing_;
};

// Whichever device fails, the step ends with that device's error: no hang, no crash.
TEST(Failure, OneDeviceStopsTheOthersWithItsError) {
  for (size_t failing_device = 0; failing_device < 4; ++failing_device) {
    std::atomic<bool> failing = false;
    auto devices = make_devices("cpu:4", 1);
    devices[failing_device] =
        std::make_unique<FailingDevice>(std::move(devices[failing_device]), failing);
    FixtureTraining training({.model = "tests/fixtures/gpt_tied.dynamo.onnx",
                              .devices = "cpu:4",
                              .scheduler = "1f1b",
                              .clip_norm = 1},
                             std::move(devices));
    training.step();
    failing = true;
    EXPECT_THAT([&] { training.step(); },
                testing::ThrowsMessage<RunError>(testing::HasSubstr("device lost")));
  }
}

}  // namespace
}  // namespace headrace
