#pragma once

#include <functional>
#include <memory>

#include "kernels/device.h"

namespace headrace {

// A device of whose kernels each runs through `around`, which is given the run itself.
class WrappedDevice : public Device {
 public:
  using Around = std::function<void(const std::function<void()>&)>;

  WrappedDevice(std::unique_ptr<Device> inner, Around around)
      : inner_(std::move(inner)), around_(std::move(around)) {}

  const std::string& name() const override { return inner_->name(); }
  void bind_thread() override { inner_->bind_thread(); }
  Buffer allocate(size_t bytes) override { return inner_->allocate(bytes); }
  LayoutProposal propose_layouts(const KernelRequest& request) override {
    return inner_->propose_layouts(request);
  }
  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override {
    auto kernel = inner_->prepare(request);
    if (kernel == nullptr) return nullptr;
    return std::make_unique<WrappedKernel>(std::move(kernel), around_);
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
  class WrappedKernel : public Kernel {
   public:
    WrappedKernel(std::unique_ptr<Kernel> inner, const Around& around)
        : inner_(std::move(inner)), around_(around) {}
    size_t workspace_bytes() const override { return inner_->workspace_bytes(); }
    int in_place_input(size_t output) const override { return inner_->in_place_input(output); }
    void run(const KernelArgs& args) const override {
      around_([&] { inner_->run(args); });
    }

   private:
    std::unique_ptr<Kernel> inner_;
    const Around& around_;
  };

  std::unique_ptr<Device> inner_;
  const Around around_;
};

}  // namespace headrace
