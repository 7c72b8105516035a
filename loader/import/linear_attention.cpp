#include <cmath>

#include "loader/import/rules.h"

namespace headrace {
namespace {

// Steps are written out one by one: beyond this a model would be all recurrence.
constexpr int64_t kMostSteps = 1024;

ValueId zeros(ImportContext& c, Shape shape, DType dtype) {
  return c.add("Expand", {c.scalar(0, dtype)}, {{"shape", std::move(shape)}});
}

// Heads to the front: [batch, length, heads * size] -> [batch, heads, length, size].
ValueId packed_heads(ImportContext& c, size_t input, int64_t heads) {
  const Shape shape = c.shape(input);
  if (shape.size() != 3 || heads < 1 || shape[2] % heads != 0)
    throw Unsupported("input {} of shape {} with {} heads", input, to_string(shape), heads);
  const ValueId split = c.reshape(c.value(input), {shape[0], shape[1], heads, shape[2] / heads});
  return c.transpose(split, {0, 2, 1, 3});
}

// The recurrence of the definition, a step at a time: the state decays, takes up the outer product
// of key and value (delta rules: what is new in the value, by the rate) and is read by the query.
void linear_attention(ImportContext& c) {
  const auto rule = c.get_string("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta";
  const bool delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") throw Unsupported("update_rule \"{}\"", rule);
  if ((gated && !c.has(4)) || (delta && !c.has(5)))
    throw Unsupported("update_rule \"{}\" without its decay or beta", rule);
  const DType dtype = c.type(0).dtype;
  const int64_t heads = c.get_int("q_num_heads", 0), kv_heads = c.get_int("kv_num_heads", 0);
  ValueId query = packed_heads(c, 0, heads);
  const ValueId key = packed_heads(c, 1, kv_heads), value = packed_heads(c, 2, kv_heads);
  const Shape q = c.type_of(query).shape, v = c.type_of(value).shape;
  const int64_t batch = q[0], steps = q[2], key_size = q[3], value_size = v[3];
  if (heads % kv_heads != 0) throw Unsupported("{} heads of queries over {}", heads, kv_heads);
  if (steps > kMostSteps)
    throw Unsupported("{} steps: at most {} are written out", steps, kMostSteps);
  const int64_t group = heads / kv_heads;
  double scale = c.get_float("scale", 0);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(key_size));
  query = c.add("Mul", {query, c.scalar(scale, dtype)});
  query = c.reshape(query, {batch, kv_heads, group, steps, key_size});
  ValueId decay = kNoValue, beta = kNoValue;
  if (gated) decay = c.add("Exp", {packed_heads(c, 4, kv_heads)});
  if (delta) beta = packed_heads(c, 5, c.shape(5).at(2));

  ValueId state = c.has(3) ? c.value(3) : zeros(c, {batch, kv_heads, key_size, value_size}, dtype);
  std::vector<ValueId> outputs;
  for (int64_t t = 0; t < steps; ++t) {
    const auto at = [&](ValueId x) { return c.part(x, 2, t, t + 1); };  // [batch, heads, 1, size]
    const ValueId k = at(key);
    ValueId news = at(value);
    if (gated) {
      const ValueId g = at(decay);
      state = c.add("Mul", {state, c.transpose(g, {0, 1, 3, 2})});
    }
    if (delta) {
      news = c.add("Sub", {news, c.add("MatMul", {k, state})});
      news = c.add("Mul", {news, at(beta)});
    }
    const ValueId taken = c.add("MatMul", {k, news}, {{"transpose_a", int64_t{1}}});
    state = c.add("Add", {state, taken});
    const ValueId asked = c.reshape(c.part(query, 3, t, t + 1), {batch, kv_heads, group, key_size});
    const ValueId answer = c.add("MatMul", {asked, state});
    outputs.push_back(c.reshape(answer, {batch, 1, heads * value_size}));
  }
  c.result(outputs.size() == 1 ? outputs[0] : c.add("Concat", outputs, {{"axis", int64_t{1}}}));
  c.result(state, 1);
}

}  // namespace

std::span<const ImportRule> linear_attention_rules() {
  static constexpr ImportRule kRules[] = {{"LinearAttention", linear_attention}};
  return kRules;
}

}  // namespace headrace
