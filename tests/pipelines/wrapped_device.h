#pragma once

#include <functional>
#include <memory>

#include "tests/pipelines/forwarding_device.h"

namespace headrace {

// A device of whose kernels each runs through `around`, which is given the run itself.
class WrappedDevice : public ForwardingDevice {
 public:
  using Around = std::function<void(const std::function<void()>&)>;

  WrappedDevice(std::unique_ptr<Device> inner, Around around)
      : ForwardingDevice(std::move(inner)), around_(std::move(around)) {}

  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override {
    return wrapped(inner().prepare(request));
  }
  std::unique_ptr<Kernel> prepare_chain(std::span<const ChainLink> links) override {
    return wrapped(inner().prepare_chain(links));
  }

 private:
  class WrappedKernel : public ForwardingKernel {
   public:
    WrappedKernel(std::unique_ptr<Kernel> inner, const Around& around)
        : ForwardingKernel(std::move(inner)), around_(around) {}
    void run(const KernelArgs& args) const override {
      around_([&] { ForwardingKernel::run(args); });
    }

   private:
    const Around& around_;
  };

  std::unique_ptr<Kernel> wrapped(std::unique_ptr<Kernel> kernel) const {
    if (kernel == nullptr) return nullptr;
    return std::make_unique<WrappedKernel>(std::move(kernel), around_);
  }

  const Around around_;
};

}  // namespace headrace
