#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/pointwise.h"
#include "kernels/cuda/types.h"

// One kernel for each type of storage.
namespace headrace::cuda {
namespace {

template <typename T>
struct Map {
  const T* x;
  T* y;
  int function;
  Scalars scalars;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    y[i] = from_f32<T>(apply_unary(function, to_f32(x[i]), scalars));
  }
};

template <typename T>
struct MapGradient {
  const T *dy, *v;
  T* dx;
  int function;
  Scalars scalars;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    dx[i] = from_f32<T>(apply_gradient(function, to_f32(dy[i]), to_f32(v[i]), scalars));
  }
};

// Why the operands cannot be walked as they lie; empty where they can.
std::string refusal_of(const KernelRequest& request) {
  if (accumulates(request)) return "does not accumulate";
  for (const Layout& layout : request.input_layouts)
    if (layout != request.output_layouts[0]) return "layouts differ";
  return {};
}

// One function of a list; body_of(T{}, args, function, scalars) is what runs on each element.
template <size_t n, typename BodyOf>
Prepared prepare_function(const Context& context, const KernelRequest& request,
                          const std::string_view (&list)[n], const BodyOf& body_of) {
  if (std::string why = refusal_of(request); !why.empty()) return refuse("{}", why);
  const int function = function_of(list, *request.node);
  if (function < 0) return refuse("no function for {}", request.node->op);
  const Scalars scalars = scalars_of(*request.node);
  const int64_t count = request.output_types[0].elements();
  return with_float_type(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    return make_kernel(
        [=, queue = context.queue](const KernelArgs& args) {
          for_each(queue, count, body_of(stored, args, function, scalars));
        },
        0);
  });
}

}  // namespace

Prepared prepare_unary(const Context& context, const KernelRequest& request) {
  return prepare_function(context, request, kUnary,
                          [](auto stored, const KernelArgs& args, int function, Scalars s) {
                            using T = decltype(stored);
                            return Map<T>{input<T>(args, 0), output<T>(args, 0), function, s};
                          });
}

Prepared prepare_unary_gradient(const Context& context, const KernelRequest& request) {
  return prepare_function(context, request, kGradients,
                          [](auto stored, const KernelArgs& args, int function, Scalars s) {
                            using T = decltype(stored);
                            return MapGradient<T>{input<T>(args, 0), input<T>(args, 1),
                                                  output<T>(args, 0), function, s};
                          });
}

}  // namespace headrace::cuda
