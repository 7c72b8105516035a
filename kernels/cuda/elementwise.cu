#include <limits>

#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/types.h"
#include "kernels/functors/unary.h"

namespace headrace::cuda {
namespace {

using portable::Scalars;

template <typename T, typename Function>
struct Map {
  const T* x;
  T* y;
  Function function;
  Scalars scalars;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    y[i] = from_f32<T>(function(to_f32(x[i]), scalars));
  }
};

// Attributes with ONNX's defaults.
Scalars scalars_of(const Node& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Attributes& a = node.attributes;
  if (node.op.starts_with("Clip"))
    return {static_cast<float>(a.get_float("min", -kInfinity)),
            static_cast<float>(a.get_float("max", kInfinity))};
  const double alpha = node.op.starts_with("Elu") ? 1.0 : node.op.starts_with("Leaky") ? 0.01 : 0.2;
  return {static_cast<float>(a.get_float("alpha", alpha)),
          static_cast<float>(a.get_float("beta", 0.5))};
}

// f(F{}) with the functor that the node's operator is.
template <typename F>
Prepared with_unary(const Node& node, const F& f) {
  using namespace portable;
  const std::string_view op = node.op;
  if (op == "Neg") return f(Neg{});
  if (op == "Abs") return f(Abs{});
  if (op == "Exp") return f(Exp{});
  if (op == "Log") return f(Log{});
  if (op == "Sqrt") return f(Sqrt{});
  if (op == "Reciprocal") return f(Reciprocal{});
  if (op == "Erf") return f(Erf{});
  if (op == "Tanh") return f(Tanh{});
  if (op == "Sigmoid") return f(Sigmoid{});
  if (op == "Relu") return f(Relu{});
  if (op == "Softplus") return f(Softplus{});
  if (op == "Sin") return f(Sin{});
  if (op == "Cos") return f(Cos{});
  if (op == "Sinh") return f(Sinh{});
  if (op == "Cosh") return f(Cosh{});
  if (op == "Asin") return f(Asin{});
  if (op == "Acos") return f(Acos{});
  if (op == "Atan") return f(Atan{});
  if (op == "Asinh") return f(Asinh{});
  if (op == "Acosh") return f(Acosh{});
  if (op == "Atanh") return f(Atanh{});
  if (op == "Floor") return f(Floor{});
  if (op == "Ceil") return f(Ceil{});
  if (op == "Round") return f(Round{});
  if (op == "Sign") return f(Sign{});
  if (op == "HardSigmoid") return f(HardSigmoid{});
  if (op == "HardSwish") return f(HardSwish{});
  if (op == "Swish") return f(Swish{});
  if (op == "Mish") return f(Mish{});
  if (op == "LeakyRelu") return f(LeakyRelu{});
  if (op == "Elu") return f(Elu{});
  if (op == "Clip") return f(Clip{});
  if (op == "Gelu" && node.attributes.get_string("approximate", "none") == "tanh")
    return f(GeluTanh{});
  if (op == "Gelu") return f(Gelu{});
  return refuse("no function for {}", op);
}

}  // namespace

Prepared prepare_unary(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (request.input_layouts[0] != request.output_layouts[0]) return refuse("layouts differ");
  const int64_t count = request.output_types[0].elements();
  const Scalars scalars = scalars_of(*request.node);
  const Queue queue = context.queue;
  return with_float_type(request.output_types[0].dtype, [&](auto stored) {
    return with_unary(*request.node, [&](auto function) -> Prepared {
      using Body = Map<decltype(stored), decltype(function)>;
      return make_kernel(
          [=](const KernelArgs& args) {
            for_each(queue, count,
                     Body{input<decltype(stored)>(args, 0), output<decltype(stored)>(args, 0),
                          function, scalars});
          },
          0);
    });
  });
}

}  // namespace headrace::cuda
