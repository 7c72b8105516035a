#include <cstring>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

template <typename T>
using BitFunction = T (*)(T a, T b);

template <typename T>
bool within_width(T shift) {
  return shift >= T{0} && static_cast<uint64_t>(shift) < 8 * sizeof(T);
}
// Beyond the width nothing is left but, on the right, the sign.
template <typename T>
T shift_left(T a, T b) {
  return within_width(b) ? static_cast<T>(static_cast<uint64_t>(a) << b) : T{0};
}
template <typename T>
T shift_right(T a, T b) {
  return within_width(b) ? static_cast<T>(a >> b) : a < T{0} ? static_cast<T>(-1) : T{0};
}

template <typename T>
BitFunction<T> function_of(const Node& node) {
  if (node.op == "BitwiseAnd") return [](T a, T b) { return static_cast<T>(a & b); };
  if (node.op == "BitwiseOr") return [](T a, T b) { return static_cast<T>(a | b); };
  if (node.op == "BitwiseXor") return [](T a, T b) { return static_cast<T>(a ^ b); };
  return node.attributes.get_string("direction") == "left" ? shift_left<T> : shift_right<T>;
}

Loop bitwise(const KernelRequest& request) {
  return for_number(request.output_types[0].dtype, [&]<typename T>() -> Loop {
    if constexpr (std::is_integral_v<T>) {
      const Shape& shape = request.output_types[0].shape;
      return [f = function_of<T>(*request.node),
              left = broadcast_view(request.input_types[0].shape, shape),
              right = broadcast_view(request.input_types[1].shape, shape),
              count = element_count(shape)](const KernelArgs& args) {
        for (int64_t i = 0; i < count; ++i)
          output<T>(args, 0)[i] =
              f(input<T>(args, 0)[left.offset(i)], input<T>(args, 1)[right.offset(i)]);
      };
    }
    return {};
  });
}

Loop bit_cast(const KernelRequest& request) {
  return [bytes = static_cast<size_t>(request.output_types[0].bytes())](const KernelArgs& args) {
    if (bytes > 0) std::memmove(args.outputs[0], args.inputs[0], bytes);
  };
}

}  // namespace

Loop bits(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"BitwiseAnd", bitwise}, {"BitwiseOr", bitwise}, {"BitwiseXor", bitwise},
      {"BitShift", bitwise},   {"BitCast", bit_cast},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
