#include <cmath>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

template <typename T, typename R>
using BinaryFunction = R (*)(T a, T b);
template <typename T, typename R>
struct NamedBinary {
  std::string_view op;
  BinaryFunction<T, R> function;
};

template <typename T, typename R>
Loop map_pairs(std::span<const NamedBinary<T, R>> functions, const KernelRequest& request) {
  for (const auto& [op, f] : functions) {
    if (op != request.node->op) continue;
    const Shape& shape = request.output_types[0].shape;
    return [f = f, left = broadcast_view(request.input_types[0].shape, shape),
            right = broadcast_view(request.input_types[1].shape, shape),
            count = element_count(shape)](const KernelArgs& args) {
      const T* a = input<T>(args, 0);
      const T* b = input<T>(args, 1);
      R* y = output<R>(args, 0);
      for (int64_t i = 0; i < count; ++i) y[i] = f(a[left.offset(i)], b[right.offset(i)]);
    };
  }
  return {};
}

// Integers wrap; a division by zero gives 0, since a trap would end a training run.
template <typename T>
T wrap(uint64_t value) {
  return static_cast<T>(value);
}
template <typename T>
T divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a / b;
  } else {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return wrap<T>(uint64_t{0} - static_cast<uint64_t>(a));
    return static_cast<T>(a / b);
  }
}
// The sign of the dividend, C's rule.
template <typename T>
T remainder(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(a, b);
  } else {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return 0;
    return static_cast<T>(a % b);
  }
}
// The sign of the divisor, Python's rule.
template <typename T>
T modulo(T a, T b) {
  const T r = remainder(a, b);
  return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
}

template <typename T>
Loop arithmetic(const KernelRequest& request) {
  using Named = NamedBinary<T, T>;
  if (request.node->op == "Mod") {
    const bool c_rule = request.node->attributes.get_int("fmod", 0) != 0;
    const Named mod[] = {{"Mod", c_rule ? remainder<T> : modulo<T>}};
    return map_pairs<T, T>(mod, request);
  }
  static constexpr Named bounds_and_quotient[] = {
      {"Div", divide<T>},
      {"Min", [](T a, T b) { return a < b || a != a ? a : b; }},
      {"Max", [](T a, T b) { return a > b || a != a ? a : b; }},
  };
  if (Loop loop = map_pairs<T, T>(bounds_and_quotient, request)) return loop;
  if constexpr (std::is_floating_point_v<T>) {
    static constexpr Named floats[] = {{"Add", [](T a, T b) { return a + b; }},
                                       {"Sub", [](T a, T b) { return a - b; }},
                                       {"Mul", [](T a, T b) { return a * b; }}};
    return map_pairs<T, T>(floats, request);
  } else {
    static constexpr Named integers[] = {
        {"Add", [](T a, T b) { return wrap<T>(uint64_t(a) + uint64_t(b)); }},
        {"Sub", [](T a, T b) { return wrap<T>(uint64_t(a) - uint64_t(b)); }},
        {"Mul", [](T a, T b) { return wrap<T>(uint64_t(a) * uint64_t(b)); }}};
    return map_pairs<T, T>(integers, request);
  }
}

template <typename T>
T integer_power(T base, int64_t exponent) {
  if (exponent < 0) {
    const bool minus_one = std::is_signed_v<T> && base == T(-1);
    return base == 1 || (minus_one && exponent % 2 == 0) ? T{1} : minus_one ? T(-1) : T{0};
  }
  uint64_t result = 1, square = static_cast<uint64_t>(static_cast<Sum<T>>(base));
  for (; exponent > 0; exponent /= 2, square *= square)
    if (exponent % 2) result *= square;
  return wrap<T>(result);
}

// The exponent's dtype is its own.
template <typename T>
Loop power(const KernelRequest& request) {
  const Shape& shape = request.output_types[0].shape;
  const DType exponent = request.input_types[1].dtype;
  if (is_narrow_float(exponent) || exponent == DType::boolean) return {};
  return [=, left = broadcast_view(request.input_types[0].shape, shape),
          right = broadcast_view(request.input_types[1].shape, shape),
          count = element_count(shape)](const KernelArgs& args) {
    const T* a = input<T>(args, 0);
    const FloatReader float_b(args.inputs[1], exponent);
    const IntReader int_b(args.inputs[1], exponent);
    T* y = output<T>(args, 0);
    for (int64_t i = 0; i < count; ++i) {
      const T base = a[left.offset(i)];
      const int64_t j = right.offset(i);
      if constexpr (std::is_integral_v<T>) {
        y[i] = is_float(exponent) ? static_cast<T>(std::pow(static_cast<double>(base), float_b[j]))
                                  : integer_power(base, int_b[j]);
      } else {
        const double power = is_float(exponent) ? float_b[j] : static_cast<double>(int_b[j]);
        y[i] = static_cast<T>(std::pow(base, static_cast<T>(power)));
      }
    }
  };
}

template <typename T>
Loop compare(const KernelRequest& request) {
  static constexpr NamedBinary<T, bool> functions[] = {
      {"Equal", [](T a, T b) { return a == b; }},
      {"Less", [](T a, T b) { return a < b; }},
      {"LessOrEqual", [](T a, T b) { return a <= b; }},
      {"Greater", [](T a, T b) { return a > b; }},
      {"GreaterOrEqual", [](T a, T b) { return a >= b; }},
  };
  return map_pairs<T, bool>(functions, request);
}

Loop logic(const KernelRequest& request) {
  static constexpr NamedBinary<bool, bool> functions[] = {
      {"And", [](bool a, bool b) { return a && b; }},
      {"Or", [](bool a, bool b) { return a || b; }},
      {"Xor", [](bool a, bool b) { return a != b; }},
      {"Equal", [](bool a, bool b) { return a == b; }},
  };
  return map_pairs<bool, bool>(functions, request);
}

template <typename T, bool (*test)(T)>
Loop predicate(const KernelRequest& request) {
  return [count = request.output_types[0].elements()](const KernelArgs& args) {
    for (int64_t i = 0; i < count; ++i) output<bool>(args, 0)[i] = test(input<T>(args, 0)[i]);
  };
}
bool negate(bool x) { return !x; }
template <typename T>
bool is_nan(T x) {
  return std::isnan(x);
}
template <typename T>
bool is_infinite(T x) {
  return std::isinf(x);
}

Loop where(const KernelRequest& request) {
  return for_size(request.output_types[0].dtype, [&]<typename T>() -> Loop {
    const Shape& shape = request.output_types[0].shape;
    return [c = broadcast_view(request.input_types[0].shape, shape),
            a = broadcast_view(request.input_types[1].shape, shape),
            b = broadcast_view(request.input_types[2].shape, shape),
            count = element_count(shape)](const KernelArgs& args) {
      for (int64_t i = 0; i < count; ++i)
        output<T>(args, 0)[i] = input<bool>(args, 0)[c.offset(i)] ? input<T>(args, 1)[a.offset(i)]
                                                                  : input<T>(args, 2)[b.offset(i)];
    };
  });
}

}  // namespace

Loop binary(const KernelRequest& request) {
  if (request.input_types.size() != 2) return {};
  return for_number(request.input_types[0].dtype, [&]<typename T>() {
    return request.node->op == "Pow" ? power<T>(request) : arithmetic<T>(request);
  });
}

Loop comparison(const KernelRequest& request) {
  const std::string& op = request.node->op;
  if (op == "Where") return where(request);
  if (op != "Not" && op != "IsNaN" && op != "IsInf" && request.input_types.size() != 2) return {};
  const DType dtype = request.input_types[0].dtype;
  if (op == "Not") return predicate<bool, negate>(request);
  if (op == "IsNaN")
    return for_float(dtype, [&]<typename T>() { return predicate<T, is_nan<T>>(request); });
  if (op == "IsInf")
    return for_float(dtype, [&]<typename T>() { return predicate<T, is_infinite<T>>(request); });
  if (dtype == DType::boolean) return logic(request);
  return for_number(dtype, [&]<typename T>() { return compare<T>(request); });
}

}  // namespace headrace::reference
