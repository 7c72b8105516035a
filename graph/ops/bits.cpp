#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

Types infer_bitwise(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const DType dtype = in[0].dtype;
  require(dtype == in[1].dtype && !is_float(dtype) && dtype != DType::boolean,
          "operands {} and {}: equal integer types wanted", to_string(in[0]), to_string(in[1]));
  return {{dtype, broadcast(in[0].shape, in[1].shape)}};
}

Types infer_shift(const Node& node, TypeSpan in) {
  const auto& direction = node.attributes.get_string("direction");
  require(direction == "left" || direction == "right", "direction \"{}\" is not known", direction);
  return infer_bitwise(node, in);
}

Types infer_bit_cast(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const auto& to = node.attributes.get_string("to");
  const auto dtype = dtype_named(to);
  require(dtype.has_value(), "no type is named \"{}\"", to);
  require(size_of(*dtype) == size_of(in[0].dtype), "{} has not the bytes of {}", to,
          to_string(in[0]));
  return {{*dtype, in[0].shape}};
}

}  // namespace

std::span<const OpDef> bit_ops() {
  static constexpr OpDef kOps[] = {
      {"BitwiseAnd", infer_bitwise, nullptr, cost_per_element<1>},
      {"BitwiseOr", infer_bitwise, nullptr, cost_per_element<1>},
      {"BitwiseXor", infer_bitwise, nullptr, cost_per_element<1>},
      {"BitShift", infer_shift, nullptr, cost_per_element<1>},
      {"BitCast", infer_bit_cast, nullptr, cost_per_element<0>},
  };
  return kOps;
}

}  // namespace headrace
