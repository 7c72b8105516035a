#include <cmath>
#include <utility>

#include "tests/kernels/operator_table.h"

namespace headrace {
namespace {

// 77 elements: four vectors of sixteen and a rest.
const Shape kOdd = {7, 11};

void add_unary_rows(Table& t) {
  for (const char* op : {"Neg", "Abs", "Exp", "Erf", "Tanh", "Sigmoid", "Relu", "Softplus", "Sin",
                         "Cos", "Sinh", "Cosh", "Atan", "Asinh", "Floor", "Ceil", "Round", "Sign"})
    t.push_back({op, {}, {f32(kOdd, -3, 3)}});
  for (const char* op : {"Log", "Sqrt", "Reciprocal"}) t.push_back({op, {}, {f32(kOdd, 0.25, 4)}});
  for (const char* op : {"Asin", "Acos", "Atanh"}) t.push_back({op, {}, {f32(kOdd, -0.9, 0.9)}});
  t.push_back({"Acosh", {}, {f32(kOdd, 1.1, 4)}});
  // Tails and blocked channels.
  for (const char* op : {"Exp", "Erf", "Tanh", "Sigmoid", "Softplus"})
    t.push_back({op, {}, {f32({3, 100}, -9, 9)}});
  for (const char* op : {"Relu", "Sigmoid", "Tanh", "HardSwish"})
    t.push_back({op, {}, {f32({2, 32, 5, 5}, -4, 4)}});
  t.push_back({"Relu", {}, {f32({})}});
  t.push_back({"Relu", {}, {f32({0, 3})}});
  t.push_back({"HardSwish", {}, {f32(kOdd, -5, 5)}});
  for (const double alpha : {1.0, 1.7}) {
    t.push_back({"Swish", {{"alpha", alpha}}, {f32(kOdd, -5, 5)}});
    t.push_back({"Swish", {{"alpha", alpha}}, {f32({3, 100}, -30, 30)}});
  }
  t.push_back({"Mish", {}, {f32(kOdd, -5, 5)}});
  t.push_back({"Mish", {}, {f32({3, 100}, -30, 30)}});
  t.push_back({"LeakyRelu", {{"alpha", 0.1}}, {f32(kOdd)}});
  t.push_back({"Elu", {{"alpha", 1.5}}, {f32(kOdd)}});
  t.push_back({"HardSigmoid", {{"alpha", 0.2}, {"beta", 0.5}}, {f32(kOdd, -4, 4)}});
  t.push_back({"Gelu", {{"approximate", std::string("none")}}, {f32(kOdd, -5, 5)}});
  t.push_back({"Gelu", {{"approximate", std::string("tanh")}}, {f32(kOdd, -5, 5)}});
  t.push_back({"Clip", {{"min", -0.5}, {"max", 1.0}}, {f32(kOdd)}});
  t.push_back({"Clip", {{"min", 0.0}}, {f32(kOdd)}});
  t.push_back({"Clip", {{"max", 0.25}}, {f32(kOdd)}});
  for (const char* op : {"Neg", "Abs", "Sign", "Relu"}) {
    t.push_back({op, {}, {i64(kOdd, -9, 9)}});
    t.push_back({op, {}, {i32(kOdd, -9, 9)}});
  }
  t.push_back({"Clip", {{"min", -3.0}, {"max", 2.0}}, {i64(kOdd, -9, 9)}});
  t.push_back({"Not", {}, {boolean(kOdd)}});
  for (const char* op : {"IsNaN", "IsInf"}) {
    t.push_back({op, {}, {sprinkled(fixed(f32(kOdd)), 5, std::nan(""))}});
    t.push_back({op, {}, {sprinkled(fixed(f32(kOdd)), 3, HUGE_VAL)}});
  }
}

void add_binary_rows(Table& t) {
  const std::pair<Shape, Shape> shapes[] = {
      {{7, 11}, {7, 11}},
      {{7, 11}, {}},
      {{}, {33}},
      {{2, 3, 17}, {17}},
      {{2, 3, 17}, {2, 1, 17}},
      {{4, 1, 5}, {3, 1}},
      {{2, 16, 3, 3}, {16, 1, 1}},
      {{2, 32, 4, 4}, {2, 32, 4, 4}},
      {{2, 48, 3, 3}, {2, 48, 1, 1}},
      {{5, 1}, {1, 40}},
  };
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Min", "Max"})
    for (const auto& [a, b] : shapes) t.push_back({op, {}, {f32(a), f32(b, 0.5, 2)}});
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Min", "Max"})
    for (DType dtype : {DType::i64, DType::i32})
      t.push_back({op, {}, {number(dtype, {3, 5}, -20, 20), number(dtype, {5}, 1, 7)}});
  t.push_back({"Add", {}, {f32({3, 20}), constant(f32({}))}});
  t.push_back({"Mul", {}, {f32({3, 20}), constant(f32({20}))}});

  t.push_back({"Pow", {}, {f32(kOdd, 0.25, 3), f32(kOdd, -2, 2)}});
  t.push_back({"Pow", {}, {f32({3, 20}, 0.25, 3), f32({20}, -2, 2)}});
  for (double exponent : {2.0, 3.0, 0.5, -0.5, -1.0})
    t.push_back({"Pow", {}, {f32(kOdd, 0.25, 3), constant(f32({}, exponent, exponent))}});
  t.push_back({"Pow", {}, {f32(kOdd, -3, 3), constant(f32({}, 2, 2))}});
  t.push_back({"Pow", {}, {f32(kOdd, -3, 3), constant(i64({}, 3, 3))}});
  t.push_back({"Pow", {}, {i64(kOdd, -5, 5), i64({}, 3, 3)}});

  t.push_back({"Mod", {{"fmod", 1_i}}, {f32(kOdd, -9, 9), f32(kOdd, 1, 3)}});
  for (int64_t fmod : {0, 1})
    t.push_back({"Mod", {{"fmod", fmod}}, {i64(kOdd, -20, 20), i64({11}, 1, 7)}});
  t.push_back({"Mod", {{"fmod", 0_i}}, {i32(kOdd, -20, 20), i32({11}, -7, -1)}});
}

void add_logical_rows(Table& t) {
  for (const char* op : {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"}) {
    t.push_back({op, {}, {fixed(f32({3, 20})), fixed(f32({20}))}});
    t.push_back({op, {}, {i64(kOdd, 0, 3), i64(kOdd, 0, 3)}});
    t.push_back({op, {}, {i32(kOdd, 0, 3), i32({}, 1, 1)}});
  }
  t.push_back({"Equal", {}, {boolean(kOdd), boolean(kOdd)}});
  for (const char* op : {"And", "Or", "Xor"}) {
    t.push_back({op, {}, {boolean(kOdd), boolean(kOdd)}});
    t.push_back({op, {}, {boolean({4, 1, 5}), boolean({3, 1})}});
  }
  for (const char* op : {"BitwiseAnd", "BitwiseOr", "BitwiseXor"}) {
    t.push_back({op, {}, {i64({4, 1, 5}, -99, 99), i64({3, 1}, -99, 99)}});
    t.push_back({op, {}, {number(DType::u8, kOdd, 0, 255), number(DType::u8, {11}, 0, 255)}});
  }
  for (const char* direction : {"left", "right"})
    t.push_back({"BitShift",
                 {{"direction", std::string(direction)}},
                 {number(DType::u8, kOdd, 0, 255), number(DType::u8, {11}, 0, 9)}});
  t.push_back(
      {"BitShift", {{"direction", std::string("right")}}, {i32(kOdd, -99, 99), i32({11}, -1, 33)}});
  t.push_back({"Where", {}, {boolean(kOdd), f32(kOdd), f32(kOdd)}});
  t.push_back({"Where", {}, {boolean({2, 1, 6, 6}), f32({2, 3, 6, 6}), f32({})}});
  t.push_back({"Where", {}, {boolean({6, 1}), f32({17}), f32({3, 1, 17})}});
  t.push_back({"Where", {}, {boolean(kOdd), i64(kOdd, -9, 9), i64({}, 5, 5)}});
}

void add_cast_rows(Table& t) {
  const auto to = [](const char* name) { return Attributes{{"to", std::string(name)}}; };
  t.push_back({"Cast", to("f64"), {f32(kOdd)}});
  t.push_back({"Cast", to("i64"), {fixed(f32(kOdd, -9, 9))}});
  t.push_back({"Cast", to("i32"), {fixed(f32(kOdd, -9, 9))}});
  t.push_back({"Cast", to("bool"), {sprinkled(fixed(f32(kOdd)), 3, 0)}});
  t.push_back({"Cast", to("f32"), {i64(kOdd, -9, 9)}});
  t.push_back({"Cast", to("f32"), {i32(kOdd, -9, 9)}});
  t.push_back({"Cast", to("f32"), {boolean(kOdd)}});
  t.push_back({"Cast", to("f32"), {number(DType::u8, kOdd, 0, 255)}});
  t.push_back({"Cast", to("i32"), {i64(kOdd, -9, 9)}});
  t.push_back({"Cast", to("i64"), {i32(kOdd, -9, 9)}});
  t.push_back({"Cast", to("i64"), {boolean(kOdd)}});
  t.push_back({"Cast", to("bool"), {i64(kOdd, 0, 2)}});
  t.push_back({"BitCast", to("u32"), {i32(kOdd, -9, 9)}});
  t.push_back({"BitCast", to("u8"), {boolean(kOdd)}});
}

}  // namespace

void add_elementwise_rows(Table& table) {
  add_unary_rows(table);
  add_binary_rows(table);
  add_logical_rows(table);
  add_cast_rows(table);
}

}  // namespace headrace
