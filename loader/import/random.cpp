#include <bit>
#include <cmath>
#include <numbers>
#include <random>

#include "loader/import/rules.h"
#include "loader/onnx/tensor_proto.h"

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
  if (c.has_attribute("dtype")) {
    const auto dtype = dtype_of_onnx(static_cast<int32_t>(c.get_int("dtype", 0)));
    if (!dtype) throw Unsupported("random numbers of this type");
    type.dtype = *dtype;
  }
  if (type.dtype != DType::f32 && type.dtype != DType::f64)
    throw Unsupported("random numbers of type {}", name_of(type.dtype));
  return type;
}

void random(ImportContext& c) {
  if (!c.draws())
    throw Unsupported("random numbers other than Dropout's are drawn only in an initialization");
  const double seed = c.get_float("seed", 0);
  Numbers numbers(c.has_attribute("seed") ? std::bit_cast<uint64_t>(seed)
                                          : static_cast<uint64_t>(c.next_dropout()));
  const TensorType type = wanted_type(c);
  constexpr int64_t kMost = int64_t{1} << 31;
  for (const int64_t dim : type.shape)
    if (dim < 0 || dim > kMost || type.bytes() > kMost)
      throw Unsupported("{} random numbers", to_string(type.shape));
  const bool normal = c.op().starts_with("RandomNormal");
  const double low = c.get_float("low", 0), high = c.get_float("high", 1);
  const double mean = c.get_float("mean", 0), scale = c.get_float("scale", 1);
  auto [tensor, bytes] = allocate_host_tensor(type);
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

constexpr ImportRule kRules[] = {
    {"RandomNormal", random},
    {"RandomNormalLike", random},
    {"RandomUniform", random},
    {"RandomUniformLike", random},
};

}  // namespace

std::span<const ImportRule> random_rules() { return kRules; }

}  // namespace headrace
