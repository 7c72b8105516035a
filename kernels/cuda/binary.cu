#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/pointwise.h"
#include "kernels/cuda/types.h"
#include "kernels/cuda/walk.h"

// Elementwise operators of several operands, which broadcast and may each lie in a layout of its
// own.
namespace headrace::cuda {
namespace {

enum class Comparison : uint8_t { equal, less, less_or_equal, greater, greater_or_equal, none };
enum class Logical : uint8_t { land, lor, lxor, lnot, none };

HEADRACE_HOST_DEVICE bool apply(Comparison function, float a, float b) {
  using namespace portable;
  switch (function) {
    case Comparison::equal:
      return Equal{}(a, b);
    case Comparison::less:
      return Less{}(a, b);
    case Comparison::less_or_equal:
      return LessOrEqual{}(a, b);
    case Comparison::greater:
      return Greater{}(a, b);
    default:
      return GreaterOrEqual{}(a, b);
  }
}

template <typename T>
struct Combine {
  const T *a, *b;
  T* y;
  Walk<2> walk;
  Arithmetic function;
  bool constant;  // b is `power`
  float power;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    int64_t at[2];
    walk.find(i, at);
    const float right = constant ? power : to_f32(b[at[1]]);
    y[i] = from_f32<T>(apply_arithmetic(function, to_f32(a[at[0]]), right));
  }
};

template <typename T>
struct Compare {
  const T *a, *b;
  bool* y;
  Walk<2> walk;
  Comparison function;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    int64_t at[2];
    walk.find(i, at);
    y[i] = apply(function, to_f32(a[at[0]]), to_f32(b[at[1]]));
  }
};

// b is a where there is one operand.
struct Combine01 {
  const bool *a, *b;
  bool* y;
  Walk<2> walk;
  Logical function;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    int64_t at[2];
    walk.find(i, at);
    const bool left = a[at[0]], right = b[at[1]];
    y[i] = function == Logical::land   ? left && right
           : function == Logical::lor  ? left || right
           : function == Logical::lxor ? left != right
                                       : !left;
  }
};

template <typename T>
struct Predicate {
  const T* x;
  bool* y;
  bool infinite;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const float value = to_f32(x[i]);
    y[i] = infinite ? value == value && value - value != 0.0f : value != value;
  }
};

template <typename T>
struct Choose {
  const bool* condition;
  const T *a, *b;
  T* y;
  Walk<3> walk;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    int64_t at[3];
    walk.find(i, at);
    y[i] = condition[at[0]] ? a[at[1]] : b[at[2]];
  }
};

Comparison comparison_of(std::string_view op) {
  if (op == "Equal") return Comparison::equal;
  if (op == "Less") return Comparison::less;
  if (op == "LessOrEqual") return Comparison::less_or_equal;
  if (op == "Greater") return Comparison::greater;
  if (op == "GreaterOrEqual") return Comparison::greater_or_equal;
  return Comparison::none;
}

Logical logical_of(std::string_view op) {
  if (op == "And") return Logical::land;
  if (op == "Or") return Logical::lor;
  if (op == "Xor") return Logical::lxor;
  return op == "Not" ? Logical::lnot : Logical::none;
}

// Where output element i, in the order of its memory, finds each operand; a single input stands
// for both operands of two.
template <int operands>
std::optional<Walk<operands>> walk_of(const KernelRequest& request) {
  const TensorType& out = request.output_types[0];
  Shape strides[operands];
  for (int k = 0; k < operands; ++k) {
    const size_t i = std::min<size_t>(static_cast<size_t>(k), request.input_types.size() - 1);
    const TensorType& type = request.input_types[i];
    strides[k] =
        broadcast_strides(type.shape, strides_of(type, request.input_layouts[i]), out.shape);
  }
  return make_walk_in_order(strides_of(out, request.output_layouts[0]), out.shape, strides);
}

// The first operand that lies as the output does, element by element.
int in_place_operand(const KernelRequest& request, size_t first = 0) {
  for (size_t i = first; i < request.input_types.size(); ++i)
    if (request.input_types[i].shape == request.output_types[0].shape &&
        request.input_layouts[i].id == request.output_layouts[0].id &&
        size_of(request.input_types[i].dtype) == size_of(request.output_types[0].dtype))
      return static_cast<int>(i);
  return -1;
}

// Pow's exponent where it is one constant number, of any dtype.
std::optional<float> constant_power(const KernelRequest& request) {
  if (request.node->op != "Pow" || !request.constants[1]) return {};
  if (request.input_types[1].elements() != 1) return {};
  const HostTensor& constant = request.constants[1];
  if (!is_float(constant.type.dtype)) return static_cast<float>(to_int64s(constant)[0]);
  return static_cast<float>(to_doubles(constant)[0]);
}

Arithmetic of_power(float power) {
  if (power == 2.0f) return Arithmetic::square;
  if (power == 3.0f) return Arithmetic::cube;
  if (power == 0.5f) return Arithmetic::sqrt;
  return power == -1.0f ? Arithmetic::reciprocal : Arithmetic::pow;
}

}  // namespace

Prepared prepare_arithmetic(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const std::optional<float> power = constant_power(request);
  const DType dtype = request.input_types[0].dtype;
  if (!power && request.input_types[1].dtype != dtype) return refuse("dtypes differ");
  const Arithmetic function = power ? of_power(*power) : arithmetic_of(*request.node);
  if (function == Arithmetic::none) return refuse("no function for {}", request.node->op);
  const auto walk = walk_of<2>(request);
  if (!walk) return refuse("too many dimensions");
  return with_float_type(dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [queue = context.queue, walk = *walk, function, power](const KernelArgs& args) {
          for_each(queue, walk.count,
                   Combine<T>{input<T>(args, 0), input<T>(args, 1), output<T>(args, 0), walk,
                              function, power.has_value(), power.value_or(0)});
        },
        in_place_operand(request));
  });
}

Prepared prepare_comparison(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const Comparison function = comparison_of(request.node->op);
  const auto walk = walk_of<2>(request);
  if (!walk) return refuse("too many dimensions");
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel([queue = context.queue, walk = *walk, function](const KernelArgs& args) {
      for_each(
          queue, walk.count,
          Compare<T>{input<T>(args, 0), input<T>(args, 1), output<bool>(args, 0), walk, function});
    });
  });
}

Prepared prepare_logical(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const Logical function = logical_of(request.node->op);
  const auto walk = walk_of<2>(request);
  if (!walk) return refuse("too many dimensions");
  const size_t second = request.input_types.size() - 1;
  return make_kernel(
      [queue = context.queue, walk = *walk, function, second](const KernelArgs& args) {
        for_each(queue, walk.count,
                 Combine01{input<bool>(args, 0), input<bool>(args, second), output<bool>(args, 0),
                           walk, function});
      },
      in_place_operand(request));
}

Prepared prepare_predicate(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (request.input_layouts[0].id != request.output_layouts[0].id) return refuse("layouts differ");
  const bool infinite = request.node->op == "IsInf";
  const int64_t count = request.output_types[0].elements();
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel([=, queue = context.queue](const KernelArgs& args) {
      for_each(queue, count, Predicate<T>{input<T>(args, 0), output<bool>(args, 0), infinite});
    });
  });
}

Prepared prepare_where(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const auto walk = walk_of<3>(request);
  if (!walk) return refuse("too many dimensions");
  return with_size(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [queue = context.queue, walk = *walk](const KernelArgs& args) {
          for_each(queue, walk.count,
                   Choose<T>{input<bool>(args, 0), input<T>(args, 1), input<T>(args, 2),
                             output<T>(args, 0), walk});
        },
        in_place_operand(request, 1));
  });
}

}  // namespace headrace::cuda
