#include <algorithm>
#include <array>

#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// q [B, H, S, D], k [B, H, T, D], v [B, H, T, E]
struct Heads {
  int64_t count = 0;  // B H
  int64_t queries = 0, keys = 0;
  int64_t width = 0, value_width = 0;
};

Heads heads_of(const TensorType& q, const TensorType& k, const TensorType& v) {
  return {q.shape[0] * q.shape[1], q.shape[2], k.shape[2], q.shape[3], v.shape[3]};
}

// Throws Error where the three do not belong together; gives the output's type.
TensorType require_heads(const TensorType& q, const TensorType& k, const TensorType& v) {
  require_float(q);
  require(q.rank() == 4 && k.rank() == 4 && v.rank() == 4, "{}, {} and {}: rank 4 wanted",
          to_string(q), to_string(k), to_string(v));
  const auto [batch, heads, queries, width] =
      std::array{q.shape[0], q.shape[1], q.shape[2], q.shape[3]};
  const int64_t keys = k.shape[2], value_width = v.shape[3];
  require(keys > 0, "no key to attend to in {}", to_string(k));
  require_type("k", k, {q.dtype, {batch, heads, keys, width}});
  require_type("v", v, {q.dtype, {batch, heads, keys, value_width}});
  return {q.dtype, {batch, heads, queries, value_width}};
}

void require_bias(const TensorType& bias, const TensorType& q, const TensorType& k) {
  const Shape scores{q.shape[0], q.shape[1], q.shape[2], k.shape[2]};
  require(bias.dtype == statistics_dtype(q.dtype), "bias is {}, {} wanted", to_string(bias),
          name_of(statistics_dtype(q.dtype)));
  require(bias.shape.size() <= scores.size() && broadcast(bias.shape, scores) == scores,
          "bias {} does not broadcast to scores {}", to_string(bias), to_string(scores));
}

TensorType log_sum_exp_of(const TensorType& q) {
  return {statistics_dtype(q.dtype), {q.shape[0], q.shape[1], q.shape[2], 1}};
}

Types infer_attention(const Node& node, TypeSpan in) {
  require_inputs(node, 3, 4);
  const TensorType y = require_heads(in[0], in[1], in[2]);
  if (has_input(node, 3)) require_bias(in[3], in[0], in[1]);
  return {y, log_sum_exp_of(in[0])};
}

// dy, q, k, v, y, log_sum_exp, [bias]
Types infer_attention_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 6, 7);
  const TensorType y = require_heads(in[1], in[2], in[3]);
  require_type("dy", in[0], y);
  require_type("y", in[4], y);
  require_type("log_sum_exp", in[5], log_sum_exp_of(in[1]));
  if (has_input(node, 6)) require_bias(in[6], in[1], in[2]);
  return {in[1], in[2], in[3]};
}

Gradients grad_attention(GradContext& g) {
  require_only_first_output(g);
  require(!g.needs(3), "node '{}' (Attention): its bias has no gradient", g.node().name);
  std::vector<ValueId> inputs{g.output_grad(0), g.input(0),  g.input(1),
                              g.input(2),       g.output(0), g.output(1)};
  if (g.input(3) != kNoValue) inputs.push_back(g.input(3));
  Gradients grads = g.emit_all("AttentionGrad", std::move(inputs), g.attributes());
  grads.resize(g.input_count(), kNoValue);
  return grads;
}

// Pairs of a query and a key that it sees.
double pairs(const Node& node, const Heads& heads) {
  const auto queries = static_cast<double>(heads.queries), keys = static_cast<double>(heads.keys);
  if (node.attributes.get_int("causal") == 0)
    return static_cast<double>(heads.count) * queries * keys;
  const double rising = std::min(queries, keys);
  return static_cast<double>(heads.count) *
         (rising * (rising + 1) / 2 + std::max(queries - keys, 0.0) * keys);
}

// The scores are never in memory: what is read and written are the operands.
Cost cost_attention(const Node& node, TypeSpan in, TypeSpan out) {
  const Heads heads = heads_of(in[0], in[1], in[2]);
  Cost cost = traffic(in, out);
  cost.flops = pairs(node, heads) *
               static_cast<double>(2 * (heads.width + heads.value_width) + kTranscendental + 3);
  return cost;
}

// Five products: the scores once more, the gradients of the weights, of v, q and k.
Cost cost_attention_grad(const Node& node, TypeSpan in, TypeSpan out) {
  const Heads heads = heads_of(in[1], in[2], in[3]);
  Cost cost = traffic(in, out);
  cost.flops = pairs(node, heads) *
               static_cast<double>(6 * heads.width + 4 * heads.value_width + kTranscendental + 4);
  return cost;
}

}  // namespace

std::span<const OpDef> attention_ops() {
  static constexpr OpDef kOps[] = {
      {"Attention", infer_attention, grad_attention, cost_attention},
      {"AttentionGrad", infer_attention_grad, nullptr, cost_attention_grad},
  };
  return kOps;
}

}  // namespace headrace
