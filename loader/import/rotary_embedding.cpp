#include "loader/import/rules.h"

namespace headrace {
namespace {

// Turns the last dimensions of the embedding by the angles of its position: pairs are an element of
// the first half with its fellow of the second or, interleaved, neighbours.
void rotary_embedding(ImportContext& c) {
  const Shape original = c.shape(0);
  const bool packed = original.size() == 3;
  const int64_t heads = c.get_int("num_heads", 0);
  ValueId x = c.value(0);
  if (packed) {
    if (heads < 1 || original[2] % heads != 0)
      throw Unsupported("input {} with {} heads", to_string(original), heads);
    x = c.reshape(x, {original[0], original[1], heads, original[2] / heads});
  } else if (original.size() != 4) {
    throw Unsupported("input {}", to_string(original));
  }
  const Shape shape = c.type_of(x).shape;
  int64_t turned = c.get_int("rotary_embedding_dim", 0);
  if (turned == 0) turned = shape[3];
  if (turned < 2 || turned % 2 != 0 || turned > shape[3])
    throw Unsupported("rotary_embedding_dim {} of {}", turned, shape[3]);
  // [batch, length, half] beside [batch, length, heads, ..] or [batch, heads, length, ..]
  const auto cache = [&](size_t input) {
    ValueId value = c.value(input);
    if (c.has(3)) value = c.add("Gather", {value, c.value(3)}, {{"axis", int64_t{0}}});
    Shape angles = c.type_of(value).shape;
    if (angles.size() != 3 || angles[2] != turned / 2)
      throw Unsupported("input {} of shape {} to turn {} elements", input,
                        to_string(c.shape(input)), turned);
    angles.insert(angles.begin() + (packed ? 2 : 1), 1);
    return c.reshape(value, angles);
  };
  const ValueId cosine = cache(1), sine = cache(2);
  const ValueId inside = c.part(x, 3, 0, turned);
  const bool interleaved = c.get_int("interleaved", 0) != 0;
  const auto half = [&](int64_t which) {
    if (!interleaved) return c.part(inside, 3, which * turned / 2, (which + 1) * turned / 2);
    Shape starts(4, 0), ends = c.type_of(inside).shape, steps(4, 1);
    starts[3] = which;
    steps[3] = 2;
    return c.add("Slice", {inside}, {{"starts", starts}, {"ends", ends}, {"steps", steps}});
  };
  const ValueId first = half(0), second = half(1);
  ValueId real = c.add("Sub", {c.add("Mul", {cosine, first}), c.add("Mul", {sine, second})});
  ValueId imaginary = c.add("Add", {c.add("Mul", {sine, first}), c.add("Mul", {cosine, second})});
  if (interleaved) {
    Shape pair = c.type_of(real).shape;
    pair.push_back(1);
    real = c.reshape(real, pair);
    imaginary = c.reshape(imaginary, pair);
  }
  const auto last = static_cast<int64_t>(c.type_of(real).shape.size()) - 1;
  ValueId result = c.add("Concat", {real, imaginary}, {{"axis", last}});
  result = c.reshape(result, c.type_of(inside).shape);
  if (turned < shape[3])
    result = c.add("Concat", {result, c.part(x, 3, turned, shape[3])}, {{"axis", int64_t{3}}});
  c.result(c.reshape(result, original));
}

}  // namespace

std::span<const ImportRule> rotary_embedding_rules() {
  static constexpr ImportRule kRules[] = {{"RotaryEmbedding", rotary_embedding}};
  return kRules;
}

}  // namespace headrace
