#include "kernels/cpu/vector/table.h"
#include "kernels/functors/binary.h"
#include "kernels/functors/gradients.h"
#include "kernels/functors/unary.h"

namespace headrace::HEADRACE_ISA {
namespace {

using vector::index;
using vector::Operands;

struct Square {
  float operator()(float x, Scalars) const { return x * x; }
};
struct Cube {
  float operator()(float x, Scalars) const { return x * x * x; }
};

template <typename F>
void unary(const float* x, float* y, int64_t n, float alpha, float beta) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F{}(x[i], Scalars{alpha, beta});
}

template <typename F>
void gradient(const float* dy, const float* v, float* dx, int64_t n, float alpha, float beta) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) dx[i] = F{}(dy[i], v[i], Scalars{alpha, beta});
}

template <typename F, Operands operands, typename T, typename R>
void binary(const T* a, const T* b, R* y, int64_t n) {
  const T left = *a, right = *b;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    y[i] =
        F{}(operands == Operands::right ? left : a[i], operands == Operands::left ? right : b[i]);
  }
}

struct And {
  uint8_t operator()(uint8_t a, uint8_t b) const { return a & b; }
};
struct Or {
  uint8_t operator()(uint8_t a, uint8_t b) const { return a | b; }
};
struct Xor {
  uint8_t operator()(uint8_t a, uint8_t b) const { return a ^ b; }
};

template <int c_stride, int a_stride, int b_stride>
void where_loop(const uint8_t* c, const float* a, const float* b, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float left = a[i * a_stride], right = b[i * b_stride];
    y[i] = c[i * c_stride] ? left : right;
  }
}

void where(const uint8_t* c, const float* a, const float* b, float* y, int64_t n, int c_stride,
           int a_stride, int b_stride) {
  switch (c_stride * 4 + a_stride * 2 + b_stride) {
    case 0:
      return where_loop<0, 0, 0>(c, a, b, y, n);
    case 1:
      return where_loop<0, 0, 1>(c, a, b, y, n);
    case 2:
      return where_loop<0, 1, 0>(c, a, b, y, n);
    case 3:
      return where_loop<0, 1, 1>(c, a, b, y, n);
    case 4:
      return where_loop<1, 0, 0>(c, a, b, y, n);
    case 5:
      return where_loop<1, 0, 1>(c, a, b, y, n);
    case 6:
      return where_loop<1, 1, 0>(c, a, b, y, n);
    default:
      return where_loop<1, 1, 1>(c, a, b, y, n);
  }
}

void add_to(const float* x, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

void blend(const float* x, float* y, int64_t n, float alpha, float beta) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = alpha * x[i] + beta * y[i];
}

template <typename F, typename T, typename R, typename Row>
constexpr void set_operands(Row& row) {
  row[index(Operands::both)] = binary<F, Operands::both, T, R>;
  row[index(Operands::left)] = binary<F, Operands::left, T, R>;
  row[index(Operands::right)] = binary<F, Operands::right, T, R>;
}

constexpr vector::ElementwiseTable make() {
  using vector::Binary, vector::Comparison, vector::Gradient, vector::Logical, vector::Unary;
  vector::ElementwiseTable t{};
  t.unary[index(Unary::neg)] = unary<Neg>;
  t.unary[index(Unary::abs)] = unary<Abs>;
  t.unary[index(Unary::exp)] = unary<Exp>;
  t.unary[index(Unary::log)] = unary<Log>;
  t.unary[index(Unary::sqrt)] = unary<Sqrt>;
  t.unary[index(Unary::reciprocal)] = unary<Reciprocal>;
  t.unary[index(Unary::erf)] = unary<Erf>;
  t.unary[index(Unary::tanh)] = unary<Tanh>;
  t.unary[index(Unary::sigmoid)] = unary<Sigmoid>;
  t.unary[index(Unary::relu)] = unary<Relu>;
  t.unary[index(Unary::softplus)] = unary<Softplus>;
  t.unary[index(Unary::sin)] = unary<Sin>;
  t.unary[index(Unary::cos)] = unary<Cos>;
  t.unary[index(Unary::sinh)] = unary<Sinh>;
  t.unary[index(Unary::cosh)] = unary<Cosh>;
  t.unary[index(Unary::asin)] = unary<Asin>;
  t.unary[index(Unary::acos)] = unary<Acos>;
  t.unary[index(Unary::atan)] = unary<Atan>;
  t.unary[index(Unary::asinh)] = unary<Asinh>;
  t.unary[index(Unary::acosh)] = unary<Acosh>;
  t.unary[index(Unary::atanh)] = unary<Atanh>;
  t.unary[index(Unary::floor)] = unary<Floor>;
  t.unary[index(Unary::ceil)] = unary<Ceil>;
  t.unary[index(Unary::round)] = unary<Round>;
  t.unary[index(Unary::sign)] = unary<Sign>;
  t.unary[index(Unary::hard_sigmoid)] = unary<HardSigmoid>;
  t.unary[index(Unary::hard_swish)] = unary<HardSwish>;
  t.unary[index(Unary::swish)] = unary<Swish>;
  t.unary[index(Unary::mish)] = unary<Mish>;
  t.unary[index(Unary::leaky_relu)] = unary<LeakyRelu>;
  t.unary[index(Unary::elu)] = unary<Elu>;
  t.unary[index(Unary::clip)] = unary<Clip>;
  t.unary[index(Unary::gelu)] = unary<Gelu>;
  t.unary[index(Unary::gelu_tanh)] = unary<GeluTanh>;
  t.unary[index(Unary::square)] = unary<Square>;
  t.unary[index(Unary::cube)] = unary<Cube>;
  t.gradient[index(Gradient::relu)] = gradient<ReluGrad>;
  t.gradient[index(Gradient::tanh)] = gradient<TanhGrad>;
  t.gradient[index(Gradient::sigmoid)] = gradient<SigmoidGrad>;
  t.gradient[index(Gradient::gelu)] = gradient<GeluGrad>;
  t.gradient[index(Gradient::gelu_tanh)] = gradient<GeluTanhGrad>;
  t.gradient[index(Gradient::leaky_relu)] = gradient<LeakyReluGrad>;
  t.gradient[index(Gradient::elu)] = gradient<EluGrad>;
  t.gradient[index(Gradient::hard_sigmoid)] = gradient<HardSigmoidGrad>;
  t.gradient[index(Gradient::hard_swish)] = gradient<HardSwishGrad>;
  t.gradient[index(Gradient::swish)] = gradient<SwishGrad>;
  t.gradient[index(Gradient::mish)] = gradient<MishGrad>;
  t.gradient[index(Gradient::softplus)] = gradient<SoftplusGrad>;
  t.gradient[index(Gradient::erf)] = gradient<ErfGrad>;
  t.gradient[index(Gradient::clip)] = gradient<ClipGrad>;
  set_operands<Add, float, float>(t.binary[index(Binary::add)]);
  set_operands<Sub, float, float>(t.binary[index(Binary::sub)]);
  set_operands<Mul, float, float>(t.binary[index(Binary::mul)]);
  set_operands<Div, float, float>(t.binary[index(Binary::div)]);
  set_operands<Min, float, float>(t.binary[index(Binary::min)]);
  set_operands<Max, float, float>(t.binary[index(Binary::max)]);
  set_operands<Pow, float, float>(t.binary[index(Binary::pow)]);
  set_operands<Fmod, float, float>(t.binary[index(Binary::fmod)]);
  set_operands<Equal, float, uint8_t>(t.comparison[index(Comparison::equal)]);
  set_operands<Less, float, uint8_t>(t.comparison[index(Comparison::less)]);
  set_operands<LessOrEqual, float, uint8_t>(t.comparison[index(Comparison::less_or_equal)]);
  set_operands<Greater, float, uint8_t>(t.comparison[index(Comparison::greater)]);
  set_operands<GreaterOrEqual, float, uint8_t>(t.comparison[index(Comparison::greater_or_equal)]);
  set_operands<And, uint8_t, uint8_t>(t.logical[index(Logical::logical_and)]);
  set_operands<Or, uint8_t, uint8_t>(t.logical[index(Logical::logical_or)]);
  set_operands<Xor, uint8_t, uint8_t>(t.logical[index(Logical::logical_xor)]);
  t.where = where;
  t.add_to = add_to;
  t.blend = blend;
  return t;
}

}  // namespace

extern const vector::ElementwiseTable elementwise_table;
constinit const vector::ElementwiseTable elementwise_table = make();

}  // namespace headrace::HEADRACE_ISA
