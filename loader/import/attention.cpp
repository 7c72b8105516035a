#include <cmath>
#include <limits>

#include "loader/import/rules.h"

namespace headrace {
namespace {

// [batch, heads, length, size] from that or from [batch, length, heads * size].
ValueId with_heads(ImportContext& c, size_t input, int64_t heads) {
  const ValueId x = c.value(input);
  const Shape shape = c.shape(input);
  if (shape.size() == 4) return x;
  if (shape.size() != 3 || heads < 1 || shape[2] % heads != 0)
    throw Unsupported("input {} of shape {} with {} heads", input, to_string(shape), heads);
  const ValueId split = c.reshape(x, {shape[0], shape[1], heads, shape[2] / heads});
  return c.transpose(split, {0, 2, 1, 3});
}

// Each head of keys or values serves `times` heads of queries in a row.
ValueId repeat_heads(ImportContext& c, ValueId x, int64_t times) {
  if (times == 1) return x;
  const Shape shape = c.type_of(x).shape;
  const ValueId apart = c.reshape(x, {shape[0], shape[1], 1, shape[2], shape[3]});
  const ValueId wide =
      c.add("Expand", {apart}, {{"shape", Shape{shape[0], shape[1], times, shape[2], shape[3]}}});
  return c.reshape(wide, {shape[0], shape[1] * times, shape[2], shape[3]});
}

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// What is_causal and the window sizes leave visible. Query i stands at position i + offset.
struct Visibility {
  int64_t offset = 0, left = -1, right = -1;
  bool causal = false;

  bool limited() const { return causal || left >= 0 || right >= 0; }
  bool sees(int64_t query, int64_t key) const {
    const int64_t ahead = key - (query + offset);
    return !(causal && ahead > 0) && !(right >= 0 && ahead > right) &&
           !(left >= 0 && -ahead > left);
  }
};

// What is added to the scores: 0 or the mask's value where a query sees a key, minus infinity
// elsewhere. `may_hide_all`: a row may leave no key.
struct Bias {
  ValueId value = kNoValue;
  bool may_hide_all = false;
};

Bias visibility_bias(ImportContext& c, const Visibility& visible, int64_t queries, int64_t keys,
                     DType dtype) {
  auto [bias, bytes] = allocate_constant({DType::f32, {queries, keys}});
  auto* to = reinterpret_cast<float*>(bytes);
  bool all_see = true;
  for (int64_t q = 0; q < queries; ++q) {
    bool sees_any = false;
    for (int64_t k = 0; k < keys; ++k) {
      sees_any = sees_any || visible.sees(q, k);
      *to++ = visible.sees(q, k) ? 0 : static_cast<float>(kMinusInfinity);
    }
    all_see = all_see && sees_any;
  }
  return {c.cast(c.add_constant(bias), dtype), !all_see};
}

// The same where the queries are the last of `nonpad_kv_seqlen` keys, which the run knows for each
// sample: what is behind those is padding.
Bias padding_bias(ImportContext& c, const Visibility& visible, int64_t queries, int64_t keys,
                  DType dtype) {
  const auto number = [&](int64_t n) { return c.scalar(static_cast<double>(n), DType::i64); };
  const ValueId lengths = c.reshape(c.cast(c.value(6), DType::i64), {c.shape(6).at(0), 1, 1, 1});
  const ValueId key = c.positions(keys, 3, 4);
  const ValueId place =
      c.add("Add", {c.positions(queries, 2, 4), c.add("Sub", {lengths, number(queries)})});
  ValueId hidden = c.add("GreaterOrEqual", {key, lengths});
  const auto hide = [&](const char* comparison, int64_t distance) {
    const ValueId bound = c.add("Add", {place, number(distance)});
    hidden = c.add("Or", {hidden, c.add(comparison, {key, bound})});
  };
  if (visible.causal) hide("Greater", 0);
  if (visible.right >= 0) hide("Greater", visible.right);
  if (visible.left >= 0) hide("Less", -visible.left);
  return {c.add("Where", {hidden, c.scalar(kMinusInfinity, dtype), c.scalar(0, dtype)}), true};
}

bool hides_a_row(const HostTensor& mask) {
  const bool is_bool = mask.type.dtype == DType::boolean;
  const int64_t keys = mask.type.shape.empty() ? 1 : mask.type.shape.back();
  const auto values = is_bool ? std::vector<double>() : to_doubles(mask);
  for (int64_t row = 0; keys > 0 && row < mask.type.elements() / keys; ++row) {
    bool any = false;
    for (int64_t k = row * keys; k < (row + 1) * keys; ++k)
      any = any || (is_bool ? mask.as<bool>()[static_cast<size_t>(k)]
                            : !std::isinf(values[static_cast<size_t>(k)]));
    if (!any) return true;
  }
  return false;
}

// A mask that is shorter than the keys hides the rest of them.
Bias mask_bias(ImportContext& c, int64_t keys, DType dtype) {
  const bool may_hide_all = !c.operand(3).has_data() || hides_a_row(c.operand(3).data);
  ValueId mask = c.value(3);
  if (c.type(3).dtype == DType::boolean)
    mask = c.add("Where", {mask, c.scalar(0, dtype), c.scalar(kMinusInfinity, dtype)});
  mask = c.cast(mask, dtype);
  const Shape shape = c.type_of(mask).shape;
  if (shape.empty() || shape.back() >= keys) return {mask, may_hide_all};
  std::vector<int64_t> pads(2 * shape.size(), 0);
  pads.back() = keys - shape.back();
  mask = c.add("Pad", {mask},
               {{"pads", pads}, {"mode", std::string("constant")}, {"value", kMinusInfinity}});
  return {mask, may_hide_all};
}

Bias total_bias(ImportContext& c, const Visibility& visible, int64_t queries, int64_t keys,
                DType dtype) {
  Bias limits;
  if (c.has(6))
    limits = padding_bias(c, visible, queries, keys, dtype);
  else if (visible.limited())
    limits = visibility_bias(c, visible, queries, keys, dtype);
  if (!c.has(3)) return limits;
  const Bias mask = mask_bias(c, keys, dtype);
  if (limits.value == kNoValue) return mask;
  // Two masks that each leave a key may leave none together.
  return {c.add("Add", {mask.value, limits.value}), true};
}

// softmax(scores + bias) where a row that sees no key is zero instead of not-a-number.
ValueId guarded_softmax(ImportContext& c, ValueId scores, const Bias& bias) {
  const auto axis = static_cast<int64_t>(c.type_of(bias.value).shape.size()) - 1;
  const ValueId highest = c.add("ReduceMax", {bias.value},
                                {{"axes", std::vector<int64_t>{axis}}, {"keepdims", int64_t{1}}});
  const DType dtype = c.type_of(scores).dtype;
  const ValueId hidden = c.add("Equal", {highest, c.scalar(kMinusInfinity, dtype)});
  const ValueId zero = c.scalar(0, dtype);
  const ValueId safe = c.add("Where", {hidden, zero, scores});
  return c.add("Where", {hidden, zero, c.add("Softmax", {safe}, {{"axis", int64_t{3}}})});
}

// ONNX's Attention (opset 23 and later), written out. Both operands of the product are scaled by
// the root of the scale, as its definition says.
void attention(ImportContext& c) {
  // Short floats are computed in f32, the softmax too, whatever less is asked of it.
  const DType outside = c.type(0).dtype;
  const DType dtype = outside == DType::f64 ? DType::f64 : DType::f32;
  const bool packed = c.rank(0) == 3;
  ValueId query = with_heads(c, 0, c.get_int("q_num_heads", 0));
  ValueId key = with_heads(c, 1, c.get_int("kv_num_heads", 0));
  ValueId value = with_heads(c, 2, c.get_int("kv_num_heads", 0));
  int64_t past = 0;
  if (c.has(4) && c.has(5)) {
    past = c.shape(4).at(2);
    key = c.add("Concat", {c.value(4), key}, {{"axis", int64_t{2}}});
    value = c.add("Concat", {c.value(5), value}, {{"axis", int64_t{2}}});
  }
  if (c.wants(1)) c.result(key, 1);
  if (c.wants(2)) c.result(value, 2);
  query = c.cast(query, dtype);
  key = c.cast(key, dtype);
  value = c.cast(value, dtype);

  const Shape q = c.type_of(query).shape;
  const int64_t keys = c.type_of(key).shape.at(2), kv_heads = c.type_of(key).shape.at(1);
  if (kv_heads == 0 || q.at(1) % kv_heads != 0)
    throw Unsupported("{} heads of queries over {} of keys", q[1], kv_heads);
  key = repeat_heads(c, key, q[1] / kv_heads);
  value = repeat_heads(c, value, q[1] / kv_heads);

  const double scale = c.get_float("scale", 1 / std::sqrt(static_cast<double>(q[3])));
  const ValueId root = c.scalar(std::sqrt(scale), dtype);
  query = c.add("Mul", {query, root});
  key = c.add("Mul", {key, root});
  ValueId scores = c.add("MatMul", {query, key}, {{"transpose_b", int64_t{1}}});
  std::vector<ValueId> stages = {scores};  // by qk_matmul_output_mode
  const double cap = c.get_float("softcap", 0);
  if (cap > 0) {
    const ValueId ratio = c.add("Mul", {scores, c.scalar(1 / cap, dtype)});
    scores = c.add("Mul", {c.add("Tanh", {ratio}), c.scalar(cap, dtype)});
  }
  stages.push_back(scores);
  const Visibility visible{.offset = past,
                           .left = c.get_int("left_window_size", -1),
                           .right = c.get_int("right_window_size", -1),
                           .causal = c.get_int("is_causal", 0) != 0};
  const Bias bias = total_bias(c, visible, q[2], keys, dtype);
  if (bias.value != kNoValue) scores = c.add("Add", {scores, bias.value});
  stages.push_back(scores);
  ValueId weights = kNoValue;
  if (bias.may_hide_all) {
    weights = guarded_softmax(c, scores, bias);
  } else if (c.get_int("softmax_precision", 0) == onnx::TensorProto::DOUBLE) {
    weights = c.cast(c.add("Softmax", {c.cast(scores, DType::f64)}, {{"axis", int64_t{3}}}), dtype);
  } else {
    weights = c.add("Softmax", {scores}, {{"axis", int64_t{3}}});
  }
  stages.push_back(weights);
  if (c.wants(3))
    c.result(c.cast(stages.at(static_cast<size_t>(c.get_int("qk_matmul_output_mode", 0))), outside),
             3);
  ValueId out = c.add("MatMul", {weights, value});
  if (packed) {
    const Shape shape = c.type_of(out).shape;
    out = c.reshape(c.transpose(out, {0, 2, 1, 3}), {shape[0], shape[2], shape[1] * shape[3]});
  }
  c.result(c.cast(out, outside));
}

}  // namespace

std::span<const ImportRule> attention_rules() {
  static constexpr ImportRule kRules[] = {{"Attention", attention}};
  return kRules;
}

}  // namespace headrace
