#include "kernels/cpu/strided_copy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "kernels/cpu/broadcast.h"
#include "kernels/cpu/parallel.h"

namespace headrace::cpu {
namespace {

// One row of elements, by copy where it is dense.
template <typename T>
void copy_row(const T* x, int64_t x_step, T* y, int64_t y_step, int64_t n) {
  if (x_step == 1 && y_step == 1) {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(T));
  } else if (x_step == 0 && y_step == 1) {
    std::fill_n(y, n, *x);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * y_step] = x[i * x_step];
  }
}

// T is an unsigned integer of the element's size.
template <typename T>
class StridedCopyKernel : public Kernel {
 public:
  StridedCopyKernel(const StridedCopy& copy, T value)
      : nest_(Broadcast::from_strides(copy.shape, std::array{copy.x_strides, copy.y_strides})),
        x_base_(copy.x_base),
        y_base_(copy.y_base),
        filled_(copy.filled),
        value_(value) {}

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const T*>(args.inputs[0]) + x_base_;
    auto* whole = static_cast<T*>(args.outputs[0]);
    parallel_ranges(filled_, 1, [&](int64_t begin, int64_t end) {
      std::fill_n(whole + begin, end - begin, value_);
    });
    T* y = whole + y_base_;
    const int64_t n = nest_.row_length();
    const int64_t x_step = nest_.row_stride(0), y_step = nest_.row_stride(1);
    parallel_ranges(nest_.rows(), n, [&](int64_t begin, int64_t end) {
      nest_.for_rows(begin, end, [&](int64_t, const auto& offsets) {
        copy_row(x + offsets[0], x_step, y + offsets[1], y_step, n);
      });
    });
  }

 private:
  Broadcast nest_;
  int64_t x_base_, y_base_, filled_;
  T value_;
};

// The bits of `value` as an element of `dtype`.
template <typename T>
T bits_of(double value, DType dtype) {
  if (value == 0) return 0;
  if constexpr (sizeof(T) == sizeof(float)) {
    if (dtype == DType::f32) return std::bit_cast<T>(static_cast<float>(value));
  }
  if constexpr (sizeof(T) == sizeof(double)) {
    if (dtype == DType::f64) return std::bit_cast<T>(value);
  }
  HEADRACE_CHECK(!is_float(dtype), "no fill of {}", name_of(dtype));
  return static_cast<T>(static_cast<int64_t>(value));
}

template <typename T>
std::unique_ptr<Kernel> make(DType dtype, const StridedCopy& copy) {
  return std::make_unique<StridedCopyKernel<T>>(copy, bits_of<T>(copy.value, dtype));
}

}  // namespace

std::unique_ptr<Kernel> make_strided_copy(DType dtype, const StridedCopy& copy) {
  switch (size_of(dtype)) {
    case 1:
      return make<uint8_t>(dtype, copy);
    case 2:
      return make<uint16_t>(dtype, copy);
    case 4:
      return make<uint32_t>(dtype, copy);
    default:
      return make<uint64_t>(dtype, copy);
  }
}

}  // namespace headrace::cpu
