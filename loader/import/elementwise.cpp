#include <algorithm>
#include <limits>

#include "loader/import/rules.h"

namespace headrace {
namespace {

// The canonical operator has the same name, inputs and meaning.
void same(ImportContext& c) { c.result(c.add(c.op(), c.values())); }

void mod(ImportContext& c) { c.result(c.add("Mod", c.values(), {{"fmod", c.get_int("fmod", 0)}})); }

void is_inf(ImportContext& c) {
  const bool negative = c.get_int("detect_negative", 1) != 0;
  const bool positive = c.get_int("detect_positive", 1) != 0;
  if (!negative && !positive) {
    auto [none, bytes] = allocate_constant({DType::boolean, c.shape(0)});
    std::fill_n(bytes, none.type.bytes(), std::byte{0});
    c.result(none);
    return;
  }
  if (negative && positive) {
    c.result(c.add("IsInf", {c.value(0)}));
    return;
  }
  const double infinity = std::numeric_limits<double>::infinity();
  const ValueId wanted = c.scalar(negative ? -infinity : infinity, c.type(0).dtype);
  c.result(c.add("Equal", {c.value(0), wanted}));
}

// Sum, Max, Min, Mean of any number of inputs, from left to right.
ValueId chain(ImportContext& c, const std::string& op) {
  ValueId total = c.value(0);
  for (size_t i = 1; i < c.input_count(); ++i) total = c.add(op, {total, c.value(i)});
  return total;
}

void sum(ImportContext& c) { c.result(chain(c, "Add")); }
void max(ImportContext& c) { c.result(chain(c, "Max")); }
void min(ImportContext& c) { c.result(chain(c, "Min")); }
void mean(ImportContext& c) {
  const ValueId total = chain(c, "Add");
  const auto count = static_cast<double>(c.input_count());
  c.result(c.add("Mul", {total, c.scalar(1 / count, c.type_of(total).dtype)}));
}

DType wanted_dtype(ImportContext& c) {
  if (c.op() == "CastLike") return c.type(1).dtype;
  return c.computed_dtype(c.get_int("to", 0));
}

void cast(ImportContext& c) {
  const DType to = wanted_dtype(c);
  if (c.type(0).dtype == to) {
    Operand operand = c.operand(0);
    operand.tied = true;
    c.result(std::move(operand));
  } else {
    c.result(c.cast(c.value(0), to));
  }
}

void bit_shift(ImportContext& c) {
  const bool left = c.get_string("direction", "") == "LEFT";
  c.result(c.add("BitShift", c.values(), {{"direction", std::string(left ? "left" : "right")}}));
}

// Every bit the other way round: exclusive or with ones.
void bitwise_not(ImportContext& c) {
  auto [ones, bytes] = allocate_constant({c.type(0).dtype, {}});
  std::fill_n(bytes, ones.type.bytes(), std::byte{0xFF});
  c.result(c.add("BitwiseXor", {c.value(0), c.add_constant(ones)}));
}

void bit_cast(ImportContext& c) {
  c.result(c.add("BitCast", {c.value(0)}, {{"to", std::string(name_of(wanted_dtype(c)))}}));
}

void tangent(ImportContext& c) {
  const ValueId x = c.value(0);
  c.result(c.add("Div", {c.add("Sin", {x}), c.add("Cos", {x})}));
}

}  // namespace

std::span<const ImportRule> elementwise_rules() {
  static constexpr ImportRule kRules[] = {
      {"Neg", same},
      {"Abs", same},
      {"Exp", same},
      {"Log", same},
      {"Sqrt", same},
      {"Reciprocal", same},
      {"Erf", same},
      {"Sin", same},
      {"Cos", same},
      {"Sinh", same},
      {"Cosh", same},
      {"Asin", same},
      {"Acos", same},
      {"Atan", same},
      {"Asinh", same},
      {"Acosh", same},
      {"Atanh", same},
      {"BitwiseAnd", same},
      {"BitwiseOr", same},
      {"BitwiseXor", same},
      {"BitwiseNot", bitwise_not},
      {"BitShift", bit_shift},
      {"BitCast", bit_cast},
      {"Tan", tangent},
      {"Floor", same},
      {"Ceil", same},
      {"Round", same},
      {"Sign", same},
      {"Add", same},
      {"Sub", same},
      {"Mul", same},
      {"Div", same},
      {"Pow", same},
      {"Mod", mod},
      {"Min", min},
      {"Max", max},
      {"Sum", sum},
      {"Mean", mean},
      {"Equal", same},
      {"Less", same},
      {"Greater", same},
      {"LessOrEqual", same},
      {"And", same},
      {"GreaterOrEqual", same},
      {"Or", same},
      {"Xor", same},
      {"Not", same},
      {"IsNaN", same},
      {"IsInf", is_inf},
      {"Where", same},
      {"Cast", cast},
      {"CastLike", cast},
  };
  return kRules;
}

}  // namespace headrace
