#include <limits>

#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/types.h"

// Between any two dtypes, picked at run time. Floats become integers by truncation; what an integer
// cannot hold becomes its nearest value, NaN 0; integers wrap.
namespace headrace::cuda {
namespace {

HEADRACE_HOST_DEVICE double real_at(const void* data, DType dtype, int64_t i) {
  if (dtype == DType::f64) return static_cast<const double*>(data)[i];
  return static_cast<double>(FloatReader{data, dtype}[i]);
}

// Sign-extended; what is above i64's range wraps, as it does on its way into any narrower integer.
HEADRACE_HOST_DEVICE int64_t whole_at(const void* data, DType dtype, int64_t i) {
  switch (dtype) {
    case DType::i8:
      return static_cast<const int8_t*>(data)[i];
    case DType::i16:
      return static_cast<const int16_t*>(data)[i];
    case DType::i32:
      return static_cast<const int32_t*>(data)[i];
    case DType::u16:
      return static_cast<const uint16_t*>(data)[i];
    case DType::u32:
      return static_cast<const uint32_t*>(data)[i];
    case DType::u8:
    case DType::boolean:
      return static_cast<const uint8_t*>(data)[i];
    default:
      return static_cast<const int64_t*>(data)[i];
  }
}

template <typename To>
HEADRACE_HOST_DEVICE To truncated(double x) {
  constexpr To kLeast = std::numeric_limits<To>::min(), kMost = std::numeric_limits<To>::max();
  if (x != x) return 0;
  if (x <= static_cast<double>(kLeast)) return kLeast;
  if (x >= static_cast<double>(kMost)) return kMost;
  return static_cast<To>(x);
}

HEADRACE_HOST_DEVICE void put_whole(void* data, DType dtype, int64_t i, int64_t value) {
  switch (size_of(dtype)) {
    case 1:
      static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(value);
      return;
    case 2:
      static_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(value);
      return;
    case 4:
      static_cast<uint32_t*>(data)[i] = static_cast<uint32_t>(value);
      return;
    default:
      static_cast<int64_t*>(data)[i] = value;
  }
}

HEADRACE_HOST_DEVICE int64_t truncated_to(DType dtype, double x) {
  switch (dtype) {
    case DType::i8:
      return truncated<int8_t>(x);
    case DType::i16:
      return truncated<int16_t>(x);
    case DType::i32:
      return truncated<int32_t>(x);
    case DType::u8:
      return truncated<uint8_t>(x);
    case DType::u16:
      return truncated<uint16_t>(x);
    case DType::u32:
      return truncated<uint32_t>(x);
    case DType::u64:
      return static_cast<int64_t>(truncated<uint64_t>(x));
    default:
      return truncated<int64_t>(x);
  }
}

struct Convert {
  const void* x;
  void* y;
  DType from, to;

  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    if (is_float(from)) {
      const double value = real_at(x, from, i);
      if (is_float(to))
        put_real(i, value);
      else if (to == DType::boolean)
        static_cast<bool*>(y)[i] = value != 0;
      else
        put_whole(y, to, i, truncated_to(to, value));
      return;
    }
    const int64_t value = whole_at(x, from, i);
    if (to == DType::boolean)
      static_cast<bool*>(y)[i] = value != 0;
    else if (!is_float(to))
      put_whole(y, to, i, value);
    else if (to == DType::f32)
      static_cast<float*>(y)[i] = from == DType::u64
                                      ? static_cast<float>(static_cast<uint64_t>(value))
                                      : static_cast<float>(value);
    else
      put_real(i, from == DType::u64 ? static_cast<double>(static_cast<uint64_t>(value))
                                     : static_cast<double>(value));
  }

  HEADRACE_HOST_DEVICE void put_real(int64_t i, double value) const {
    if (to == DType::f64)
      static_cast<double*>(y)[i] = value;
    else if (to == DType::f32)
      static_cast<float*>(y)[i] = static_cast<float>(value);
    else if (to == DType::f16)
      static_cast<Float16*>(y)[i] = from_f32<Float16>(portable::narrowed_to_odd(value));
    else
      static_cast<BFloat16*>(y)[i] = from_f32<BFloat16>(portable::narrowed_to_odd(value));
  }
};

}  // namespace

Prepared prepare_cast(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (request.input_layouts[0].id != request.output_layouts[0].id) return refuse("layouts differ");
  return make_kernel([queue = context.queue, count = request.output_types[0].elements(),
                      from = request.input_types[0].dtype,
                      to = request.output_types[0].dtype](const KernelArgs& args) {
    for_each(queue, count, Convert{args.inputs[0], args.outputs[0], from, to});
  });
}

}  // namespace headrace::cuda
