#pragma once

#include <memory>
#include <string>

#include "kernels/device.h"

namespace headrace {

// A device that leaves everything to another, for tests to change what they are about.
class ForwardingDevice : public Device {
 public:
  explicit ForwardingDevice(std::unique_ptr<Device> inner) : inner_(std::move(inner)) {}

  const std::string& name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  void bind_thread() override { inner_->bind_thread(); }
  Buffer allocate(size_t bytes) override { return inner_->allocate(bytes); }
  LayoutProposal propose_layouts(const KernelRequest& request) override {
    return inner_->propose_layouts(request);
  }
  bool fuses(const KernelRequest& request) override { return inner_->fuses(request); }
  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override {
    return inner_->prepare(request);
  }
  bool chains(const KernelRequest& request) override { return inner_->chains(request); }
  std::unique_ptr<Kernel> prepare_chain(std::span<const ChainLink> links) override {
    return inner_->prepare_chain(links);
  }
  std::set<std::string> detours() const override { return inner_->detours(); }
  void upload(const TensorType& type, const Layout& layout, const void* host,
              void* device) override {
    inner_->upload(type, layout, host, device);
  }
  void download(const TensorType& type, const Layout& layout, const void* device,
                void* host) override {
    inner_->download(type, layout, device, host);
  }

 protected:
  Device& inner() { return *inner_; }

 private:
  std::unique_ptr<Device> inner_;
};

// A kernel that does what another does, save where it overrides it.
class ForwardingKernel : public Kernel {
 public:
  explicit ForwardingKernel(std::unique_ptr<Kernel> inner) : inner_(std::move(inner)) {}
  size_t workspace_bytes() const override { return inner_->workspace_bytes(); }
  int in_place_input(size_t output) const override { return inner_->in_place_input(output); }
  void run(const KernelArgs& args) const override { inner_->run(args); }

 private:
  std::unique_ptr<Kernel> inner_;
};

}  // namespace headrace
