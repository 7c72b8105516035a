#include <bit>
#include <cmath>
#include <numbers>
#include <random>

#include "loader/import/rules.h"
#include "loader/onnx/size_limit.h"

namespace headrace {
namespace {

// Random tensors of a model's initialization graph, drawn once while it is imported. The same seed
// gives the same numbers on every machine: neither std's distributions nor its seeding from a
// device are used.
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : engine_(seed) {}

  // In (0, 1).
  double uniform() { return (static_cast<double>(engine_() >> 11) + 0.5) * 0x1p-53; }
  // Box and Muller.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  std::mt19937_64 engine_;
};

TensorType wanted_type(ImportContext& c) {
  const bool like = c.op().ends_with("Like");
  TensorType type{DType::f32, like ? c.shape(0) : c.get_ints("shape")};
  if (like) type.dtype = c.type(0).dtype;
  if (c.has_attribute("dtype")) type.dtype = c.computed_dtype(c.get_int("dtype", 0));
  if (type.dtype != DType::f32 && type.dtype != DType::f64)
    throw Unsupported("random numbers of type {}", name_of(type.dtype));
  return type;
}

DType dtype_or(ImportContext& c, DType otherwise) {
  return c.has_attribute("dtype") ? c.computed_dtype(c.get_int("dtype", 0)) : otherwise;
}

// Outside of an initialization numbers are drawn in the run. Every node draws numbers of its own,
// fresh ones in each micro-batch; the file's seed is not used, since it would repeat them in every
// step.
ValueId uniform(ImportContext& c, Shape shape, double low = 0, double high = 1) {
  return c.add("RandomUniform", {},
               {{"shape", std::move(shape)},
                {"low", low},
                {"high", high},
                {"seed", c.next_dropout()},
                {"dtype", std::string("f32")}});
}

// Box and Muller: sqrt(-2 log(1 - u)) cos(2 pi v).
ValueId normal(ImportContext& c, const Shape& shape) {
  const ValueId rest = c.add("Sub", {c.scalar(1, DType::f32), uniform(c, shape)});
  const ValueId radius =
      c.add("Sqrt", {c.add("Mul", {c.add("Log", {rest}), c.scalar(-2, DType::f32)})});
  const ValueId angle = uniform(c, shape, 0, 2 * std::numbers::pi);
  return c.add("Mul", {radius, c.add("Cos", {angle})});
}

void random_in_the_run(ImportContext& c) {
  const auto [dtype, shape] = wanted_type(c);
  if (c.op().starts_with("RandomUniform")) {
    c.result(c.cast(uniform(c, shape, c.get_float("low", 0), c.get_float("high", 1)), dtype));
    return;
  }
  const ValueId scale = c.scalar(c.get_float("scale", 1), DType::f32);
  const ValueId mean = c.scalar(c.get_float("mean", 0), DType::f32);
  c.result(c.cast(c.add("Add", {c.add("Mul", {normal(c, shape), scale}), mean}), dtype));
}

void bernoulli(ImportContext& c) {
  const ValueId p = c.cast(c.value(0), DType::f32);
  const ValueId hit = c.add("Less", {uniform(c, c.shape(0)), p});
  c.result(c.cast(hit, dtype_or(c, c.type(0).dtype)));
}

// The largest of log-probability plus Gumbel noise, -log(-log(u)), is a draw (Gumbel, 1954).
void multinomial(ImportContext& c) {
  const Shape shape = c.shape(0);
  if (shape.size() != 2) throw Unsupported("input {}", to_string(c.type(0)));
  const int64_t samples = c.get_int("sample_size", 1);
  const ValueId u =
      c.add("Sub", {c.scalar(1, DType::f32), uniform(c, {shape[0], samples, shape[1]})});
  const ValueId noise = c.add("Neg", {c.add("Log", {c.add("Neg", {c.add("Log", {u})})})});
  const ValueId scores = c.reshape(c.cast(c.value(0), DType::f32), {shape[0], 1, shape[1]});
  const ValueId best = c.add_all("TopK", {c.add("Add", {scores, noise})},
                                 {{"axis", int64_t{2}}, {"k", int64_t{1}}, {"largest", int64_t{1}}})
                           .at(1);
  c.result(c.cast(c.reshape(best, {shape[0], samples}), dtype_or(c, DType::i32)));
}

void random(ImportContext& c) {
  if (!c.draws()) {
    random_in_the_run(c);
    return;
  }
  const double seed = c.get_float("seed", 0);
  Numbers numbers(c.has_attribute("seed") ? std::bit_cast<uint64_t>(seed)
                                          : static_cast<uint64_t>(c.next_dropout()));
  const TensorType type = wanted_type(c);
  for (const int64_t dim : type.shape)
    if (dim < 0 || dim > kLargestConstant || type.bytes() > kLargestConstant)
      throw Unsupported("{} random numbers", to_string(type.shape));
  const bool normal = c.op().starts_with("RandomNormal");
  const double low = c.get_float("low", 0), high = c.get_float("high", 1);
  const double mean = c.get_float("mean", 0), scale = c.get_float("scale", 1);
  auto [tensor, bytes] = allocate_constant(type);
  for (int64_t i = 0; i < type.elements(); ++i) {
    const double x =
        normal ? mean + scale * numbers.normal() : low + (high - low) * numbers.uniform();
    if (type.dtype == DType::f64)
      reinterpret_cast<double*>(bytes)[i] = x;
    else
      reinterpret_cast<float*>(bytes)[i] = static_cast<float>(x);
  }
  c.result(tensor);
}

}  // namespace

std::span<const ImportRule> random_rules() {
  static constexpr ImportRule kRules[] = {
      {"Bernoulli", bernoulli},     {"Multinomial", multinomial}, {"RandomNormal", random},
      {"RandomNormalLike", random}, {"RandomUniform", random},    {"RandomUniformLike", random},
  };
  return kRules;
}

}  // namespace headrace
