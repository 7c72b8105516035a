#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"
#include "kernels/widened.h"

namespace headrace::cpu {
namespace {

// Elements of one type to those of another by `convert`(x, y, count), all ranges apart.
template <typename From, typename To, typename Convert>
class CastKernel : public Kernel {
 public:
  CastKernel(int64_t count, Convert convert) : count_(count), convert_(std::move(convert)) {}
  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const From*>(args.inputs[0]);
    auto* y = static_cast<To*>(args.outputs[0]);
    parallel_ranges(count_, 1, [&](int64_t begin, int64_t end) {
      convert_(x + begin, y + begin, end - begin);
    });
  }

 private:
  int64_t count_;
  Convert convert_;
};

template <typename From, typename To, typename Convert>
Prepared make_cast(int64_t count, Convert convert) {
  return std::make_unique<CastKernel<From, To, Convert>>(count, std::move(convert));
}

}  // namespace

// Between f32 and the narrow floats; other pairs are left to the reference.
Prepared prepare_cast(const Context&, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const DType from = request.input_types[0].dtype, to = request.output_types[0].dtype;
  const int64_t count = request.output_types[0].elements();
  if (from == DType::f32 && is_narrow_float(to))
    return make_cast<float, uint16_t>(
        count, [to](const float* x, uint16_t* y, int64_t n) { narrow(to, x, y, n); });
  if (to == DType::f32 && is_narrow_float(from))
    return make_cast<uint16_t, float>(
        count, [from](const uint16_t* x, float* y, int64_t n) { widen(from, x, y, n); });
  return refuse("not between f32 and a narrow float");
}

}  // namespace headrace::cpu
