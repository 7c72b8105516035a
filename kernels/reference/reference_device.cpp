#include "kernels/reference/reference_device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernels/implementation.h"
#include "kernels/reference/reference.h"

namespace headrace {
namespace {

class ReferenceDevice : public Device {
 public:
  const std::string& name() const override { return name_; }

  Buffer allocate(size_t bytes) override {
    const size_t rounded = std::max<size_t>((bytes + 63) / 64 * 64, 64);
    void* data = std::aligned_alloc(64, rounded);
    if (data == nullptr) throw RunError("{}: out of memory: {} bytes", name_, bytes);
    std::memset(data, 0, rounded);
    return {data, bytes, [](void* p) { std::free(p); }};
  }

  LayoutProposal propose_layouts(const KernelRequest& request) override {
    return row_major_proposal(request);
  }

  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override {
    if (auto kernel = prepare_reference(request)) return kernel;
    if (accumulates(request)) return nullptr;
    std::string types;
    for (const TensorType& type : request.input_types)
      types += (types.empty() ? "" : ", ") + to_string(type);
    throw Error("node '{}': {} has no kernel for {}({})", request.node->name, name_,
                request.node->op, types);
  }

  void upload(const TensorType& type, const Layout& layout, const void* host,
              void* device) override {
    copy(type, layout, host, device);
  }
  void download(const TensorType& type, const Layout& layout, const void* device,
                void* host) override {
    copy(type, layout, device, host);
  }

 private:
  static void copy(const TensorType& type, const Layout& layout, const void* from, void* to) {
    HEADRACE_CHECK(layout.id == 0, "layout {}", layout.id);
    if (type.bytes() > 0) std::memcpy(to, from, static_cast<size_t>(type.bytes()));
  }

  std::string name_ = "reference:0";
};

}  // namespace

std::unique_ptr<Device> make_reference_device() { return std::make_unique<ReferenceDevice>(); }

}  // namespace headrace
