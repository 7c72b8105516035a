#include <algorithm>

#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

void require_indices(const TensorType& indices) {
  require(indices.dtype == DType::i64 || indices.dtype == DType::i32,
          "indices are {}, i32 or i64 wanted", to_string(indices));
}

// Shapes

// Indices that name a place along `axis` for each of their elements: outside that axis they stay
// within x.
void require_elements(const Node& node, const TensorType& x, const TensorType& indices) {
  const auto axis = static_cast<size_t>(require_axis(node, x));
  require_indices(indices);
  require(indices.rank() == x.rank(), "indices {} and {} differ in rank", to_string(indices),
          to_string(x));
  for (size_t d = 0; d < x.shape.size(); ++d)
    require(d == axis || indices.shape[d] <= x.shape[d], "indices {} leave axis {} of {}",
            to_string(indices), d, to_string(x));
}

// What the index tuples of the last axis of `indices` take from x.
TensorType taken(const TensorType& x, const TensorType& indices, int64_t batch_dims) {
  require_indices(indices);
  require(batch_dims >= 0 && batch_dims < std::min(x.rank(), indices.rank()),
          "batch_dims {} with {} and indices {}", batch_dims, to_string(x), to_string(indices));
  const auto batch = x.shape.begin() + batch_dims;
  require(std::equal(x.shape.begin(), batch, indices.shape.begin()),
          "{} and indices {} differ in the first {} dimensions", to_string(x), to_string(indices),
          batch_dims);
  const int64_t depth = indices.shape.back();
  require(depth >= 0 && batch_dims + depth <= x.rank(), "indices {} are deeper than {}",
          to_string(indices), to_string(x));
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), batch + depth, x.shape.end());
  return {x.dtype, std::move(shape)};
}

Types infer_gather_elements(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  require_elements(node, in[0], in[1]);
  return {{in[0].dtype, in[1].shape}};
}

Types infer_gather_elements_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_float(x);
  require_elements(node, x, in[1]);
  require_type("dy", in[0], {x.dtype, in[1].shape});
  return {x};
}

Types infer_gather_nd(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  return {taken(in[0], in[1], node.attributes.get_int("batch_dims", 0))};
}

Types infer_gather_nd_grad(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const TensorType x{in[0].dtype, node.attributes.get_ints("input_shape")};
  require_float(x);
  require_type("dy", in[0], taken(x, in[1], node.attributes.get_int("batch_dims", 0)));
  return {x};
}

void require_reduction(const Node& node, const TensorType& x) {
  const auto reduction = node.attributes.get_string("reduction", "none");
  require(reduction == "none" || reduction == "add" || reduction == "mul" || reduction == "min" ||
              reduction == "max",
          "reduction \"{}\" is not known", reduction);
  require(reduction == "none" || x.dtype != DType::boolean, "reduction \"{}\" of {}", reduction,
          to_string(x));
}

Types infer_scatter_elements(const Node& node, TypeSpan in) {
  require_inputs(node, 3);
  require_reduction(node, in[0]);
  require_elements(node, in[0], in[1]);
  require_type("updates", in[2], {in[0].dtype, in[1].shape});
  return {in[0]};
}

Types infer_scatter_nd(const Node& node, TypeSpan in) {
  require_inputs(node, 3);
  require_reduction(node, in[0]);
  require_type("updates", in[2], taken(in[0], in[1], 0));
  return {in[0]};
}

Types infer_top_k(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require(in[0].dtype != DType::boolean, "numbers are wanted, not {}", to_string(in[0]));
  const auto axis = static_cast<size_t>(require_axis(node, in[0]));
  const int64_t k = node.attributes.get_int("k");
  require(k >= 0 && k <= in[0].shape[axis], "k {} of axis {} of {}", k, axis, to_string(in[0]));
  Shape shape = in[0].shape;
  shape[axis] = k;
  return {{in[0].dtype, shape}, {DType::i64, shape}};
}

Types infer_reverse_sequence(const Node& node, TypeSpan in) {
  require_inputs(node, 2);
  const int64_t batch = node.attributes.get_int("batch_axis");
  const int64_t time = node.attributes.get_int("time_axis");
  require(batch >= 0 && time >= 0 && batch < in[0].rank() && time < in[0].rank() && batch != time,
          "batch axis {} and time axis {} of {}", batch, time, to_string(in[0]));
  require_indices(in[1]);
  require(in[1].shape == Shape{in[0].shape[static_cast<size_t>(batch)]},
          "lengths are {}, one for each entry of axis {} of {} wanted", to_string(in[1]), batch,
          to_string(in[0]));
  return {in[0]};
}

// Gradients

Gradients grad_gather(GradContext& g) {
  return per_input(
      g,
      [&] {
        Attributes attributes = g.attributes();
        attributes.set("input_shape", g.type(g.input(0)).shape);
        return g.emit(g.node().op + "Grad", {g.output_grad(0), g.input(1)}, attributes);
      },
      no_gradient);
}

// One of the two scatters beside the gather that reads where it writes.
struct Scattering {
  GradContext& g;
  std::string scatter = g.node().op;
  std::string gather = scatter == "ScatterND" ? "GatherND" : "GatherElements";
  Attributes where = scatter == "ScatterND" ? Attributes{{"batch_dims", int64_t{0}}}
                                            : Attributes{{"axis", g.attributes().get_int("axis")}};

  ValueId gathered(ValueId from) { return g.emit(gather, {from, g.input(1)}, where); }
  ValueId scattered(ValueId to, ValueId updates, const char* reduction) {
    Attributes attributes = where;
    attributes.set("reduction", std::string(reduction));
    return g.emit(scatter, {to, g.input(1), updates}, attributes);
  }
  ValueId as_number(ValueId condition) {
    const auto dtype = g.type(g.input(0)).dtype;
    return g.emit("Cast", {condition}, {{"to", std::string(name_of(dtype))}});
  }
};

// What was overwritten has no part in the result; an update has its place's. Where places repeat,
// ONNX leaves open which update stays, and each is given the place's gradient.
Gradients grad_overwrite(Scattering s, ValueId dy) {
  return per_input(
      s.g,
      [&] {
        const Shape shape = s.g.type(s.g.input(2)).shape;
        const ValueId zeros = s.g.emit("Expand", {s.g.scalar(0, dy)}, {{"shape", shape}});
        return s.scattered(dy, zeros, "none");
      },
      no_gradient, [&] { return s.gathered(dy); });
}

// A factor's gradient is the product of the others: with zeros replaced by ones it is
// product / factor, and it counts only where none of the others is zero.
Gradients grad_factors(Scattering s, ValueId dy) {
  GradContext& g = s.g;
  const ValueId x = g.input(0), updates = g.input(2), zero = g.scalar(0, x);
  const ValueId zero_x = s.as_number(g.emit("Equal", {x, zero}));
  const ValueId zero_u = s.as_number(g.emit("Equal", {updates, zero}));
  const ValueId zeros = s.scattered(zero_x, zero_u, "add");
  const ValueId whole_x = g.emit("Add", {x, zero_x}), whole_u = g.emit("Add", {updates, zero_u});
  const ValueId product = s.scattered(whole_x, whole_u, "mul");
  const auto slope = [&](ValueId product_there, ValueId factor, ValueId zeros_there,
                         ValueId own_zero) {
    const ValueId others = g.emit("Div", {product_there, factor});
    const ValueId none_zero = g.emit("Equal", {zeros_there, own_zero});
    return g.emit("Where", {none_zero, others, zero});
  };
  return per_input(
      g,
      [&] {
        return g.emit("Mul", {dy, slope(product, whole_x, zeros, zero_x)});
      },
      no_gradient,
      [&] {
        const ValueId u = slope(s.gathered(product), whole_u, s.gathered(zeros), zero_u);
        return g.emit("Mul", {s.gathered(dy), u});
      });
}

// Shared evenly by the elements that equal the extreme one.
Gradients grad_extreme(Scattering s, ValueId dy) {
  GradContext& g = s.g;
  const ValueId y = g.output(0);
  const ValueId equal_x = s.as_number(g.emit("Equal", {g.input(0), y}));
  const ValueId equal_u = s.as_number(g.emit("Equal", {g.input(2), s.gathered(y)}));
  const ValueId share = g.emit("Div", {dy, s.scattered(equal_x, equal_u, "add")});
  return per_input(
      g,
      [&] {
        return g.emit("Mul", {equal_x, share});
      },
      no_gradient,
      [&] {
        return g.emit("Mul", {equal_u, s.gathered(share)});
      });
}

Gradients grad_scatter(GradContext& g) {
  const auto reduction = g.attributes().get_string("reduction", "none");
  const ValueId dy = g.output_grad(0);
  Scattering s{g};
  if (reduction == "none") return grad_overwrite(s, dy);
  if (reduction == "mul") return grad_factors(s, dy);
  if (reduction == "min" || reduction == "max") return grad_extreme(s, dy);
  return per_input(
      g, [&] { return dy; }, no_gradient, [&] { return s.gathered(dy); });
}

Gradients grad_top_k(GradContext& g) {
  return {g.emit(
      "GatherElementsGrad", {g.output_grad(0), g.output(1)},
      {{"axis", g.attributes().get_int("axis")}, {"input_shape", g.type(g.input(0)).shape}})};
}

Gradients grad_reverse_sequence(GradContext& g) {
  return per_input(
      g,
      [&] {
        return g.emit("ReverseSequence", {g.output_grad(0), g.input(1)}, g.attributes());
      },
      no_gradient);
}

// Costs: of a large x only the part that is read counts.

Cost cost_gather(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(out, out);
  cost.bytes += static_cast<double>(in[1].bytes());
  return cost;
}

Cost cost_scatter(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = static_cast<double>(in.back().elements());
  return cost;
}

Cost cost_gather_grad(const Node&, TypeSpan in, TypeSpan out) {
  Cost cost = traffic(in, out);
  cost.flops = static_cast<double>(in[0].elements());
  return cost;
}

}  // namespace

std::span<const OpDef> indexing_ops() {
  static constexpr OpDef kOps[] = {
      {"GatherElements", infer_gather_elements, grad_gather, cost_gather},
      {"GatherElementsGrad", infer_gather_elements_grad, nullptr, cost_gather_grad},
      {"GatherND", infer_gather_nd, grad_gather, cost_gather},
      {"GatherNDGrad", infer_gather_nd_grad, nullptr, cost_gather_grad},
      {"ScatterElements", infer_scatter_elements, grad_scatter, cost_scatter},
      {"ScatterND", infer_scatter_nd, grad_scatter, cost_scatter},
      {"TopK", infer_top_k, grad_top_k, cost_per_element<8>},  // comparisons of a partial sort
      {"ReverseSequence", infer_reverse_sequence, grad_reverse_sequence, cost_per_element<0>},
  };
  return kOps;
}

}  // namespace headrace
