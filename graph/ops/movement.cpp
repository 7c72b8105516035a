#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

// Shapes

Types infer_reshape(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const auto& shape = node.attributes.get_ints("shape");
  require(element_count(shape) == in[0].elements(), "{} has not the elements of shape {}",
          to_string(in[0]), to_string(shape));
  return {{in[0].dtype, shape}};
}

Types infer_transpose(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const auto& perm = node.attributes.get_ints("perm");
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool permutes = sorted.size() == in[0].shape.size();
  for (size_t i = 0; permutes && i < sorted.size(); ++i)
    permutes = sorted[i] == static_cast<int64_t>(i);
  require(permutes, "perm {} is no permutation of the axes of {}", to_string(perm),
          to_string(in[0]));
  Shape shape;
  for (int64_t axis : perm) shape.push_back(in[0].shape[static_cast<size_t>(axis)]);
  return {{in[0].dtype, std::move(shape)}};
}

Types infer_expand(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const auto& shape = node.attributes.get_ints("shape");
  require(broadcast(in[0].shape, shape) == shape, "{} does not expand to {}", to_string(in[0]),
          to_string(shape));
  return {{in[0].dtype, shape}};
}

Types infer_concat(const Node& node, TypeSpan in) {
  require_inputs(node, std::max<size_t>(1, node.inputs.size()));
  const auto axis = static_cast<size_t>(require_axis(node, in[0]));
  TensorType out = in[0];
  out.shape[axis] = 0;
  for (const TensorType& part : in) {
    TensorType like = out;
    require(part.rank() == out.rank(), "parts {} and {} differ in rank", to_string(in[0]),
            to_string(part));
    like.shape[axis] = part.shape[axis];
    require(part == like, "parts {} and {} differ outside axis {}", to_string(in[0]),
            to_string(part), axis);
    out.shape[axis] += part.shape[axis];
  }
  return {std::move(out)};
}

Types infer_split(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  const auto axis = static_cast<size_t>(require_axis(node, in[0]));
  const auto& sizes = node.attributes.get_ints("split");
  Types out;
  int64_t total = 0;
  for (int64_t size : sizes) {
    require(size >= 0, "split {} has a negative part", to_string(sizes));
    out.push_back(in[0]);
    out.back().shape[axis] = size;
    total += size;
  }
  require(total == in[0].shape[axis], "split {} does not add up to axis {} of {}", to_string(sizes),
          axis, to_string(in[0]));
  return out;
}

Types infer_trilu(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require(in[0].rank() >= 2, "{} has no triangles: rank 2 or more wanted", to_string(in[0]));
  return {in[0]};
}

// Gradients

Gradients grad_reshape(GradContext& g) {
  return {g.emit("Reshape", {g.output_grad(0)}, {{"shape", g.type(g.input(0)).shape}})};
}

Gradients grad_transpose(GradContext& g) {
  const auto& perm = g.attributes().get_ints("perm");
  std::vector<int64_t> inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return {g.emit("Transpose", {g.output_grad(0)}, {{"perm", inverse}})};
}

Gradients grad_expand(GradContext& g) {
  return {g.sum_to(g.output_grad(0), g.type(g.input(0)).shape)};
}

// The parts of dy that belong to the inputs: one Split when all of them are wanted.
Gradients grad_concat(GradContext& g) {
  const ValueId dy = g.output_grad(0);
  const int64_t axis = g.attributes().get_int("axis");
  std::vector<int64_t> sizes;
  bool all = true;
  for (size_t i = 0; i < g.input_count(); ++i) {
    sizes.push_back(g.type(g.input(i)).shape[static_cast<size_t>(axis)]);
    all = all && g.needs(i);
  }
  if (all) return g.emit_all("Split", {dy}, {{"axis", axis}, {"split", sizes}});

  Gradients grads(g.input_count(), kNoValue);
  Shape starts(g.type(dy).shape.size(), 0), ends = g.type(dy).shape;
  int64_t offset = 0;
  for (size_t i = 0; i < sizes.size(); offset += sizes[i++]) {
    if (!g.needs(i)) continue;
    starts[static_cast<size_t>(axis)] = offset;
    ends[static_cast<size_t>(axis)] = offset + sizes[i];
    grads[i] = g.emit("Slice", {dy},
                      {{"starts", starts}, {"ends", ends}, {"steps", Shape(starts.size(), 1)}});
  }
  return grads;
}

// The parts' gradients side by side, zeros where nothing reads a part.
Gradients grad_split(GradContext& g) {
  std::vector<ValueId> parts;
  for (size_t i = 0; i < g.node().outputs.size(); ++i) {
    ValueId part = g.output_grad(i);
    if (part == kNoValue)
      part = g.emit("Expand", {g.scalar(0, g.output(i))}, {{"shape", g.type(g.output(i)).shape}});
    parts.push_back(part);
  }
  return {g.emit("Concat", parts, {{"axis", g.attributes().get_int("axis")}})};
}

Gradients grad_trilu(GradContext& g) {
  return {g.emit("Trilu", {g.output_grad(0)}, g.attributes())};
}

// Costs

Cost cost_free(const Node&, TypeSpan, TypeSpan) { return {}; }

}  // namespace

std::span<const OpDef> movement_ops() {
  static constexpr OpDef kOps[] = {
      {"Reshape", infer_reshape, grad_reshape, cost_free},
      {"Transpose", infer_transpose, grad_transpose, cost_per_element<0>},
      {"Expand", infer_expand, grad_expand, cost_per_element<0>},
      {"Concat", infer_concat, grad_concat, cost_per_element<0>},
      {"Split", infer_split, grad_split, cost_per_element<0>},
      {"Trilu", infer_trilu, grad_trilu, cost_per_element<0>},
      {"Reorder", infer_unary, nullptr, cost_per_element<0>},
  };
  return kOps;
}

}  // namespace headrace
