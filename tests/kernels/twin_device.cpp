#include "tests/kernels/twin_device.h"

#include "kernels/cpu/cpu_device.h"
#include "kernels/cuda/chain.h"
#include "kernels/cuda/host_kernel.h"
#include "kernels/cuda/layouts.h"

namespace headrace {
namespace {

class TwinDevice : public Device {
 public:
  TwinDevice() {
    context_.host = host_.get();
    context_.staging = &staging_;
    context_.detours = &detours_;
  }

  const std::string& name() const override { return name_; }
  void bind_thread() override { host_->bind_thread(); }
  Buffer allocate(size_t bytes) override { return host_->allocate(bytes); }
  LayoutProposal propose_layouts(const KernelRequest& request) override {
    return cuda::propose_layouts(context_, request);
  }
  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override {
    return cuda::prepare(context_, request, {});
  }
  bool chains(const KernelRequest& request) override { return cuda::chains(request); }
  std::unique_ptr<Kernel> prepare_chain(std::span<const ChainLink> links) override {
    return cuda::prepare_chain(context_, links);
  }
  std::set<std::string> detours() const override { return detours_; }
  void upload(const TensorType& type, const Layout& layout, const void* host,
              void* device) override {
    cuda::convert(type, {}, layout, host, device);
  }
  void download(const TensorType& type, const Layout& layout, const void* device,
                void* host) override {
    cuda::convert(type, layout, {}, device, host);
  }

 private:
  std::string name_ = "twin:0";
  std::unique_ptr<Device> host_ = make_cpu_device(0, 1);
  cuda::Staging staging_;
  std::set<std::string> detours_;
  cuda::Context context_;
};

}  // namespace

std::unique_ptr<Device> make_twin_device() { return std::make_unique<TwinDevice>(); }

}  // namespace headrace
