#include "loader/import/function_body.h"

#include <onnx/defs/schema.h>

#include <algorithm>

#include "loader/onnx/model_source.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

using onnx::AttributeProto;
using onnx::FunctionProto;
using onnx::NodeProto;
using onnx::OpSchema;

std::vector<onnx::TypeProto> onnx_types(const std::vector<std::optional<TensorType>>& types) {
  std::vector<onnx::TypeProto> result(types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    if (!types[i]) continue;
    auto& tensor = *result[i].mutable_tensor_type();
    tensor.set_elem_type(onnx_of_dtype(types[i]->dtype));
    for (const int64_t dim : types[i]->shape) tensor.mutable_shape()->add_dim()->set_dim_value(dim);
  }
  return result;
}

// An attribute of the node, or its default, by its name; null where there is neither.
const AttributeProto* attribute_of(const NodeProto& node, const OpSchema& schema,
                                   const std::string& name) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  const auto known = schema.attributes().find(name);
  if (known == schema.attributes().end() || !known->second.default_value.has_type()) return nullptr;
  return &known->second.default_value;
}

// Puts the node's attributes where those of the body refer to them; without one there is none.
void settle_attributes(NodeProto& inner, const NodeProto& node, const OpSchema& schema) {
  std::vector<AttributeProto> settled;
  for (AttributeProto& attribute : *inner.mutable_attribute()) {
    if (attribute.ref_attr_name().empty()) {
      if (attribute.has_g())
        for (auto& nested : *attribute.mutable_g()->mutable_node())
          settle_attributes(nested, node, schema);
      settled.push_back(std::move(attribute));
    } else if (const auto* given = attribute_of(node, schema, attribute.ref_attr_name())) {
      settled.push_back(*given);
      settled.back().set_name(attribute.name());
    }
  }
  inner.clear_attribute();
  for (AttributeProto& attribute : settled) *inner.add_attribute() = std::move(attribute);
}

std::string schema_domain(const NodeProto& node) {
  return is_default_domain(node.domain()) ? "" : node.domain();
}

}  // namespace

bool is_defined_by_others(const NodeProto& node) {
  const OpSchema* schema = onnx::OpSchemaRegistry::Schema(node.op_type(), schema_domain(node));
  return schema != nullptr && (schema->HasFunction() || schema->HasContextDependentFunction());
}

std::shared_ptr<const onnx::GraphProto> function_body(
    const onnx::ModelProto& model, const NodeProto& node,
    const std::vector<std::optional<TensorType>>& inputs) {
  int domain_version = 0;
  for (const auto& import : model.opset_import())
    if (import.domain() == node.domain() ||
        (is_default_domain(import.domain()) && is_default_domain(node.domain())))
      domain_version = static_cast<int>(import.version());
  const OpSchema* schema =
      onnx::OpSchemaRegistry::Schema(node.op_type(), domain_version, schema_domain(node));
  if (schema == nullptr) return nullptr;
  // Bodies are kept by the version of the default domain that their nodes are of.
  const auto version = static_cast<int>(opset_version(model));
  FunctionProto function;
  if (const FunctionProto* fixed = schema->GetFunction(version)) {
    function = *fixed;
  } else {
    const onnx::FunctionBodyBuildContextImpl context(node, onnx_types(inputs));
    if (!schema->HasContextDependentFunction() ||
        !schema->BuildContextDependentFunction(context, function, version))
      return nullptr;
  }
  auto body = std::make_shared<onnx::GraphProto>();
  body->set_name(node.op_type());
  for (const std::string& input : function.input()) body->add_input()->set_name(input);
  for (const std::string& output : function.output()) body->add_output()->set_name(output);
  for (const NodeProto& inner : function.node()) {
    *body->add_node() = inner;
    settle_attributes(*body->mutable_node(body->node_size() - 1), node, *schema);
  }
  return body;
}

}  // namespace headrace
