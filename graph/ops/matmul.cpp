#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

struct Product {
  Shape batch;
  int64_t m = 0, n = 0, k = 0;
};

Product product_of(const Node& node, const TensorType& a, const TensorType& b) {
  require(a.rank() >= 2 && b.rank() >= 2, "{} times {}: rank 2 or more wanted", to_string(a),
          to_string(b));
  const auto last = [](const TensorType& type, bool transposed) {
    const auto end = type.shape.end();
    return transposed ? std::pair{end[-1], end[-2]} : std::pair{end[-2], end[-1]};
  };
  const auto [m, k] = last(a, node.attributes.get_int("transpose_a", 0) != 0);
  const auto [k_of_b, n] = last(b, node.attributes.get_int("transpose_b", 0) != 0);
  require(k == k_of_b, "{} times {}: the inner dimensions {} and {} differ", to_string(a),
          to_string(b), k, k_of_b);
  return {broadcast(std::span(a.shape).first(a.shape.size() - 2),
                    std::span(b.shape).first(b.shape.size() - 2)),
          m, n, k};
}

Types infer_matmul(const Node& node, TypeSpan in) {
  require_inputs(node, 2, 3);
  require(in[0].dtype == in[1].dtype && in[0].dtype != DType::boolean,
          "operands {} and {}: equal number types wanted", to_string(in[0]), to_string(in[1]));
  require_activation(node);
  Product product = product_of(node, in[0], in[1]);
  if (has_input(node, 2)) require_type("bias", in[2], {in[0].dtype, {product.n}});
  product.batch.insert(product.batch.end(), {product.m, product.n});
  return {{in[0].dtype, std::move(product.batch)}};
}

Attributes transposes(bool a, bool b) {
  return {{"transpose_a", static_cast<int64_t>(a)}, {"transpose_b", static_cast<int64_t>(b)}};
}

// With A = op(a) and B = op(b): dA = dy B^T, dB = A^T dy, each written as the product that gives da
// and db themselves. A two-dimensional b sees all leading dimensions of a as rows of one matrix, so
// that its gradient is one product and not a sum of them.
Gradients grad_matmul(GradContext& g) {
  const bool ta = g.attributes().get_int("transpose_a", 0) != 0;
  const bool tb = g.attributes().get_int("transpose_b", 0) != 0;
  const ValueId a = g.input(0), b = g.input(1), bias = g.input(2);
  const ValueId dy = relu_follows(g.attributes())
                         ? g.emit("ReluGrad", {g.output_grad(0), g.output(0)})
                         : g.output_grad(0);
  const auto da = [&] {
    return ta ? g.emit("MatMul", {b, dy}, transposes(tb, true))
              : g.emit("MatMul", {dy, b}, transposes(false, !tb));
  };
  const auto db = [&] {
    const bool flat = !ta && g.type(b).rank() == 2;
    const ValueId rows = flat ? as_matrix(g, a) : a;
    const ValueId drows = flat ? as_matrix(g, dy) : dy;
    return tb ? g.emit("MatMul", {drows, rows}, transposes(true, ta))
              : g.emit("MatMul", {rows, drows}, transposes(!ta, false));
  };
  if (bias == kNoValue) return per_broadcast_input(g, da, db);
  return per_broadcast_input(g, da, db, [&] { return dy; });
}

Cost cost_matmul(const Node& node, TypeSpan in, TypeSpan out) {
  const Product product = product_of(node, in[0], in[1]);
  Cost cost = traffic(in, out);
  const auto results = static_cast<double>(out[0].elements());
  cost.flops = 2 * results * static_cast<double>(product.k);
  if (has_input(node, 2)) cost.flops += results;
  if (relu_follows(node.attributes)) cost.flops += results;
  return cost;
}

}  // namespace

std::span<const OpDef> matmul_ops() {
  static constexpr OpDef kOps[] = {{"MatMul", infer_matmul, grad_matmul, cost_matmul}};
  return kOps;
}

}  // namespace headrace
