#include "graph/passes_rewrites.h"

namespace headrace {
namespace {

bool has_activation(const Node& node) {
  return !node.attributes.get_string("activation", "").empty();
}

}  // namespace

bool bias_into_matmul(Rewriter& r, NodeId id) {
  const Node add = r.node(id);
  if (add.op != "Add") return false;
  for (const size_t operand : {0, 1}) {
    const ValueId x = add.inputs[operand], bias = add.inputs[1 - operand];
    const Node* product = r.maker(x, "MatMul");
    if (product == nullptr || !r.is_private(x) || has_activation(*product) ||
        product->inputs.size() > 2)
      continue;
    const TensorType& y = r.type(x);
    if (r.type(product->inputs[1]).rank() != 2 || r.type(add.outputs[0]) != y ||
        r.type(bias) != TensorType{y.dtype, {y.shape.back()}})
      continue;
    Node fused = *product;
    fused.name = add.name;
    fused.inputs.push_back(bias);
    fused.outputs = add.outputs;
    r.replace(id, std::move(fused));
    return true;
  }
  return false;
}

bool relu_into_maker(Rewriter& r, NodeId id) {
  const Node relu = r.node(id);
  if (relu.op != "Relu") return false;
  const ValueId x = relu.inputs[0];
  if (!r.is_private(x)) return false;
  for (const char* op :
       {"MatMul", "Conv", "ConvInputGrad", "BatchNormalization", "BatchNormalizationInference"}) {
    const NodeId place = r.maker_id(x, op);
    if (place == kNoNode || has_activation(r.node(place))) continue;
    Node fused = r.node(place);
    fused.attributes.set("activation", std::string("relu"));
    fused.outputs[0] = relu.outputs[0];
    if (fused.op == "BatchNormalization")
      fused.outputs.push_back(
          r.add_output(fused.name + "/mask", {DType::u8, r.type(fused.outputs[0]).shape}));
    r.replace(place, std::move(fused));
    r.erase(id);
    return true;
  }
  return false;
}

}  // namespace headrace
