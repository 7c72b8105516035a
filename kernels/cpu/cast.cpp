#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"
#include "kernels/widened.h"

namespace headrace::cpu {
namespace {

class WidenKernel : public Kernel {
 public:
  WidenKernel(DType from, int64_t count) : from_(from), count_(count) {}
  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const uint16_t*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    parallel_ranges(count_, 1, [&](int64_t begin, int64_t end) {
      widen(from_, x + begin, y + begin, end - begin);
    });
  }

 private:
  DType from_;
  int64_t count_;
};

class NarrowKernel : public Kernel {
 public:
  NarrowKernel(DType to, int64_t count) : to_(to), count_(count) {}
  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<uint16_t*>(args.outputs[0]);
    parallel_ranges(count_, 1, [&](int64_t begin, int64_t end) {
      narrow(to_, x + begin, y + begin, end - begin);
    });
  }

 private:
  DType to_;
  int64_t count_;
};

}  // namespace

// Between f32 and the narrow floats; other pairs are left to the reference.
Prepared prepare_cast(const Context&, const KernelRequest& request) {
  if (request.node->op != "Cast") return refuse("not a conversion");
  if (accumulates(request)) return refuse("does not accumulate");
  const DType from = request.input_types[0].dtype, to = request.output_types[0].dtype;
  const int64_t count = request.output_types[0].elements();
  if (from == DType::f32) return std::make_unique<NarrowKernel>(to, count);
  if (to == DType::f32) return std::make_unique<WidenKernel>(from, count);
  return refuse("neither side is f32");
}

}  // namespace headrace::cpu
