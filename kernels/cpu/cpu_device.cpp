#include "kernels/cpu/cpu_device.h"

#include <omp.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "graph/error.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/primitive_kernel.h"
#include "kernels/reference/reference.h"
#include "kernels/widened.h"

namespace headrace {
namespace {

using cpu::Context;

// Sets the calling thread's OpenMP team for a scope.
class TeamSize {
 public:
  explicit TeamSize(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~TeamSize() { omp_set_num_threads(before_); }
  TeamSize(const TeamSize&) = delete;
  TeamSize& operator=(const TeamSize&) = delete;

 private:
  int before_;
};

class CpuDevice : public Device {
 public:
  CpuDevice(int index, int threads)
      : name_(fmt::format("cpu:{}", index)), context_{dnnl::stream(cpu::engine()), threads} {}

  const std::string& name() const override { return name_; }
  std::string description() const override {
    return fmt::format("cpu, {} threads", context_.threads);
  }
  void bind_thread() override { omp_set_num_threads(context_.threads); }
  Buffer allocate(size_t bytes) override;
  LayoutProposal propose_layouts(const KernelRequest& request) override;
  std::unique_ptr<Kernel> prepare(const KernelRequest& request) override;
  void upload(const TensorType& type, const Layout& layout, const void* host,
              void* device) override;
  void download(const TensorType& type, const Layout& layout, const void* device,
                void* host) override;

 private:
  std::unique_ptr<Kernel> widened(const KernelRequest& request) {
    return prepare_widened(request, [this](const KernelRequest& wide) { return prepare(wide); });
  }
  void convert(const TensorType& type, const Layout& from, const Layout& to, const void* source,
               void* target);

  std::string name_;
  Context context_;
};

// Large buffers lie on huge pages where the system grants them: products walk matrices by their
// columns, and with small pages most of their time goes into address translation.
Buffer CpuDevice::allocate(size_t bytes) {
  constexpr size_t kCacheLine = 64, kHugePage = size_t{2} << 20;
  const bool large = bytes >= kHugePage / 2;
  const size_t padded = (std::max<size_t>(bytes, 1) + kCacheLine - 1) / kCacheLine * kCacheLine;
  void* data = nullptr;
  if (posix_memalign(&data, large ? kHugePage : kCacheLine, padded) != 0)
    throw RunError("{}: no memory for {} bytes", name_, bytes);
  if (large) madvise(data, padded, MADV_HUGEPAGE);
  std::memset(data, 0, padded);
  return Buffer(data, bytes, [](void* p) { std::free(p); });
}

LayoutProposal CpuDevice::propose_layouts(const KernelRequest& request) {
  if (has_narrow_floats(request)) return row_major_proposal(request);
  const TeamSize team(context_.threads);
  const cpu::OperatorEntry* entry = cpu::find_operator(request.node->op);
  return entry ? entry->propose(context_, request) : cpu::propose_row_major(context_, request);
}

// Products and conversions know the narrow float types; everything else is widened.
std::unique_ptr<Kernel> CpuDevice::prepare(const KernelRequest& request) {
  const TeamSize team(context_.threads);
  const Node& node = *request.node;
  const bool narrow = has_narrow_floats(request);
  if (narrow && node.op != "MatMul" && node.op != "Cast") return widened(request);
  std::string refusals;
  if (const cpu::OperatorEntry* entry = cpu::find_operator(node.op)) {
    for (const auto& implementation : entry->implementations) {
      try {
        Prepared prepared = implementation.prepare(context_, request);
        if (prepared.kernel) return std::move(prepared.kernel);
        refusals += fmt::format("{}: {}; ", implementation.name, prepared.refusal);
      } catch (const dnnl::error& error) {
        refusals += fmt::format("{}: {}; ", implementation.name, error.what());
      }
    }
  }
  if (std::unique_ptr<Kernel> kernel = prepare_reference(request)) return kernel;
  if (narrow) return widened(request);
  if (accumulates(request)) return nullptr;
  throw Error("{} has no kernel for node {} ({}): {}reference: not these types or layouts", name_,
              node.name, node.op, refusals);
}

void CpuDevice::upload(const TensorType& type, const Layout& layout, const void* host,
                       void* device) {
  convert(type, {}, layout, host, device);
}

void CpuDevice::download(const TensorType& type, const Layout& layout, const void* device,
                         void* host) {
  convert(type, layout, {}, device, host);
}

void CpuDevice::convert(const TensorType& type, const Layout& from, const Layout& to,
                        const void* source, void* target) {
  if (from.id == to.id) {
    std::memcpy(target, source, static_cast<size_t>(from.id == 0 ? type.bytes() : from.bytes));
    return;
  }
  const dnnl::memory source_memory = cpu::make_memory(cpu::memory_desc(type, from));
  const dnnl::memory target_memory = cpu::make_memory(cpu::memory_desc(type, to));
  cpu::point(source_memory, source);
  cpu::point(target_memory, target);
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, source_memory.get()},
                                       {DNNL_ARG_TO, target_memory.get()}};
  cpu::execute(dnnl::reorder(source_memory, target_memory), context_.stream, arguments);
}

}  // namespace

std::unique_ptr<Device> make_cpu_device(int index, int threads) {
  return std::make_unique<CpuDevice>(index, threads);
}

}  // namespace headrace
