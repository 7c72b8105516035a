#include <limits>

#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/types.h"
#include "kernels/functors/gradients.h"
#include "kernels/functors/unary.h"

// One kernel for each type of storage, which picks the function at run time: all threads take the
// same way, and memory is what they wait for.
namespace headrace::cuda {
namespace {

using portable::Scalars;

constexpr std::string_view kUnary[] = {
    "Neg",   "Abs",  "Exp",   "Log",         "Sqrt",      "Reciprocal", "Erf",
    "Tanh",  "Relu", "Sin",   "Cos",         "Sinh",      "Cosh",       "Asin",
    "Acos",  "Atan", "Asinh", "Acosh",       "Atanh",     "Floor",      "Ceil",
    "Round", "Sign", "Mish",  "HardSigmoid", "HardSwish", "Swish",      "LeakyRelu",
    "Elu",   "Clip", "Gelu",  "GeluTanh",    "Softplus",  "Sigmoid"};
constexpr std::string_view kGradients[] = {
    "ReluGrad", "TanhGrad",        "SigmoidGrad",   "GeluGrad",  "GeluTanhGrad",
    "EluGrad",  "HardSigmoidGrad", "HardSwishGrad", "SwishGrad", "LeakyReluGrad",
    "MishGrad", "SoftplusGrad",    "ErfGrad",       "ClipGrad"};

// Where an operator stands in its list; the functor's name is the operator's, but for Gelu's forms.
template <size_t n>
consteval int place_of(const std::string_view (&list)[n], std::string_view name) {
  for (size_t i = 0; i < n; ++i)
    if (list[i] == name) return static_cast<int>(i);
  throw "no such function";
}
template <size_t n>
int function_of(const std::string_view (&list)[n], const Node& node) {
  const bool tanh_form = node.attributes.get_string("approximate", "none") == "tanh";
  const std::string_view name = !tanh_form          ? std::string_view(node.op)
                                : node.op == "Gelu" ? "GeluTanh"
                                                    : "GeluTanhGrad";
  for (size_t i = 0; i < n; ++i)
    if (list[i] == name) return static_cast<int>(i);
  return -1;
}

HEADRACE_HOST_DEVICE float apply(int function, float x, Scalars s) {
  using namespace portable;
  switch (function) {
    case place_of(kUnary, "Neg"):
      return Neg{}(x, s);
    case place_of(kUnary, "Abs"):
      return Abs{}(x, s);
    case place_of(kUnary, "Exp"):
      return Exp{}(x, s);
    case place_of(kUnary, "Log"):
      return Log{}(x, s);
    case place_of(kUnary, "Sqrt"):
      return Sqrt{}(x, s);
    case place_of(kUnary, "Reciprocal"):
      return Reciprocal{}(x, s);
    case place_of(kUnary, "Erf"):
      return Erf{}(x, s);
    case place_of(kUnary, "Tanh"):
      return Tanh{}(x, s);
    case place_of(kUnary, "Sigmoid"):
      return Sigmoid{}(x, s);
    case place_of(kUnary, "Relu"):
      return Relu{}(x, s);
    case place_of(kUnary, "Softplus"):
      return Softplus{}(x, s);
    case place_of(kUnary, "Sin"):
      return Sin{}(x, s);
    case place_of(kUnary, "Cos"):
      return Cos{}(x, s);
    case place_of(kUnary, "Sinh"):
      return Sinh{}(x, s);
    case place_of(kUnary, "Cosh"):
      return Cosh{}(x, s);
    case place_of(kUnary, "Asin"):
      return Asin{}(x, s);
    case place_of(kUnary, "Acos"):
      return Acos{}(x, s);
    case place_of(kUnary, "Atan"):
      return Atan{}(x, s);
    case place_of(kUnary, "Asinh"):
      return Asinh{}(x, s);
    case place_of(kUnary, "Acosh"):
      return Acosh{}(x, s);
    case place_of(kUnary, "Atanh"):
      return Atanh{}(x, s);
    case place_of(kUnary, "Floor"):
      return Floor{}(x, s);
    case place_of(kUnary, "Ceil"):
      return Ceil{}(x, s);
    case place_of(kUnary, "Round"):
      return Round{}(x, s);
    case place_of(kUnary, "Sign"):
      return Sign{}(x, s);
    case place_of(kUnary, "HardSigmoid"):
      return HardSigmoid{}(x, s);
    case place_of(kUnary, "HardSwish"):
      return HardSwish{}(x, s);
    case place_of(kUnary, "Swish"):
      return Swish{}(x, s);
    case place_of(kUnary, "Mish"):
      return Mish{}(x, s);
    case place_of(kUnary, "LeakyRelu"):
      return LeakyRelu{}(x, s);
    case place_of(kUnary, "Elu"):
      return Elu{}(x, s);
    case place_of(kUnary, "Clip"):
      return Clip{}(x, s);
    case place_of(kUnary, "Gelu"):
      return Gelu{}(x, s);
    default:
      return GeluTanh{}(x, s);
  }
}

HEADRACE_HOST_DEVICE float apply_gradient(int function, float dy, float v, Scalars s) {
  using namespace portable;
  switch (function) {
    case place_of(kGradients, "ReluGrad"):
      return ReluGrad{}(dy, v, s);
    case place_of(kGradients, "TanhGrad"):
      return TanhGrad{}(dy, v, s);
    case place_of(kGradients, "SigmoidGrad"):
      return SigmoidGrad{}(dy, v, s);
    case place_of(kGradients, "GeluGrad"):
      return GeluGrad{}(dy, v, s);
    case place_of(kGradients, "LeakyReluGrad"):
      return LeakyReluGrad{}(dy, v, s);
    case place_of(kGradients, "EluGrad"):
      return EluGrad{}(dy, v, s);
    case place_of(kGradients, "HardSigmoidGrad"):
      return HardSigmoidGrad{}(dy, v, s);
    case place_of(kGradients, "HardSwishGrad"):
      return HardSwishGrad{}(dy, v, s);
    case place_of(kGradients, "SwishGrad"):
      return SwishGrad{}(dy, v, s);
    case place_of(kGradients, "MishGrad"):
      return MishGrad{}(dy, v, s);
    case place_of(kGradients, "SoftplusGrad"):
      return SoftplusGrad{}(dy, v, s);
    case place_of(kGradients, "ErfGrad"):
      return ErfGrad{}(dy, v, s);
    case place_of(kGradients, "ClipGrad"):
      return ClipGrad{}(dy, v, s);
    default:
      return GeluTanhGrad{}(dy, v, s);
  }
}

template <typename T>
struct Map {
  const T* x;
  T* y;
  int function;
  Scalars scalars;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    y[i] = from_f32<T>(apply(function, to_f32(x[i]), scalars));
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
