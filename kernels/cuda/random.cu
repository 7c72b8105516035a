#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/types.h"
#include "kernels/cuda/walk.h"
#include "kernels/philox.h"

namespace headrace::cuda {
namespace {

// `row_major` finds the number by which an element draws, however it lies.
template <typename T>
struct Drop {
  const T* x;
  T* y;
  bool* mask;
  Walk<1> row_major;
  DropoutDraw draw;
  float scale;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    int64_t at[1];
    row_major.find(i, at);
    const bool kept = draw.keeps_element(static_cast<uint64_t>(at[0]));
    y[i] = from_f32<T>(kept ? to_f32(x[i]) * scale : 0.0f);
    if (mask != nullptr) mask[i] = kept;
  }
};

template <typename T>
struct DropGradient {
  const T* dy;
  const bool* mask;
  T* dx;
  float scale;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    dx[i] = from_f32<T>(mask[i] ? to_f32(dy[i]) * scale : 0.0f);
  }
};

struct Uniform {
  FloatWriter y;
  DropoutDraw draw;
  float low, high;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const auto element = static_cast<uint64_t>(i);
    const float share = uniform_of(draw.block(element / 4).word[element % 4]);
    y.set(i, static_cast<double>(low + share * (high - low)));
  }
};

}  // namespace

Prepared prepare_dropout(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const TensorType& type = request.output_types[0];
  const Layout& layout = request.output_layouts[0];
  if (request.input_layouts[0].id != layout.id) return refuse("layouts differ");
  if (has_output(request, 1) && request.output_layouts[1].id != layout.id)
    return refuse("layouts differ");
  const auto walk =
      make_walk_in_order(strides_of(type, layout), type.shape, {row_major_strides(type.shape)});
  if (!walk) return refuse("too many dimensions");
  const Attributes& a = request.node->attributes;
  const double ratio = a.get_float("ratio");
  const int64_t seed = a.get_int("seed", 0);
  return with_float_type(type.dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, walk = *walk](const KernelArgs& args) {
          bool* mask = args.outputs.size() > 1 ? output<bool>(args, 1) : nullptr;
          for_each(queue, walk.count,
                   Drop<T>{input<T>(args, 0), output<T>(args, 0), mask, walk,
                           DropoutDraw(ratio, seed, *args.step),
                           static_cast<float>(dropout_scale(ratio))});
        },
        0);
  });
}

Prepared prepare_dropout_gradient(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  for (const Layout& layout : request.input_layouts)
    if (layout.id != request.output_layouts[0].id) return refuse("layouts differ");
  const auto scale = static_cast<float>(dropout_scale(request.node->attributes.get_float("ratio")));
  const int64_t count = request.output_types[0].elements();
  return with_float_type(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue](const KernelArgs& args) {
          for_each(
              queue, count,
              DropGradient<T>{input<T>(args, 0), input<bool>(args, 1), output<T>(args, 0), scale});
        },
        0);
  });
}

Prepared prepare_random_uniform(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (!all_row_major(request)) return refuse("makes row-major values");
  const DType dtype = request.output_types[0].dtype;
  if (!is_stored_float(dtype)) return refuse("no kernel for {}", name_of(dtype));
  const Attributes& a = request.node->attributes;
  return make_kernel([queue = context.queue, dtype, count = request.output_types[0].elements(),
                      low = static_cast<float>(a.get_float("low", 0)),
                      high = static_cast<float>(a.get_float("high", 1)),
                      seed = a.get_int("seed", 0)](const KernelArgs& args) {
    for_each(queue, count,
             Uniform{{args.outputs[0], dtype}, DropoutDraw(0, seed, *args.step), low, high});
  });
}

}  // namespace headrace::cuda
