#include "loader/import/stored_tensors.h"

#include <algorithm>

#include "loader/onnx/stored_tensor.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;

bool is_double_weight(const onnx::TensorProto& tensor, const std::string& name,
                      const Reach& reach) {
  return tensor.data_type() == onnx::TensorProto::DOUBLE && tensor.dims_size() > 0 &&
         reach.differentiable.count(name) > 0;
}

bool has_double_weights(const GraphProto& graph, const Reach& reach) {
  for (const auto& tensor : graph.initializer())
    if (is_double_weight(tensor, tensor.name(), reach)) return true;
  for (const NodeProto& node : graph.node())
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g() && has_double_weights(attribute.g(), reach)) return true;
      if (attribute.has_t() && node.op_type() == "Constant" && node.output_size() > 0 &&
          is_double_weight(attribute.t(), node.output(0), reach))
        return true;
    }
  return false;
}

std::string first_output_of(const NodeProto& node) {
  for (const std::string& output : node.output())
    if (!output.empty()) return output;
  return {};
}

}  // namespace

ComputedTypes computed_types(const GraphProto& graph, const Reach& reach, bool training) {
  const auto& outputs = graph.output();
  const bool double_output = std::any_of(outputs.begin(), outputs.end(), [](const auto& output) {
    return output.type().tensor_type().elem_type() == onnx::TensorProto::DOUBLE;
  });
  return {.double_as_single = training && (double_output || has_double_weights(graph, reach))};
}

Operand unreadable(std::string what) {
  return {.kind = Operand::Kind::failed, .name = std::move(what)};
}

template <typename Read>
const Operand& StoredTensors::stored(const WeightPlace& place, const Read& read) {
  const auto [known, fresh] = stored_.try_emplace({place.graph, place.name});
  if (fresh) known->second = first_read(place, read());
  return known->second;
}

Operand StoredTensors::first_read(WeightPlace place, const HostTensor& data) {
  place.type = data.type;
  const DType dtype = types_.of(data.type.dtype);
  if (dtype != data.type.dtype) ++narrowed_[data.type.dtype];
  Operand operand = constant_operand(converted(data, dtype), place.name);
  operand.weight = weights_.add(std::move(place), operand.data);
  if (weights_.trainable(operand.weight)) operand.kind = Operand::Kind::weight;
  return operand;
}

void StoredTensors::add_initializers(const GraphProto& graph, const GraphPath& path,
                                     std::unordered_map<std::string, Operand>& names) {
  for (const auto& tensor : graph.initializer()) {
    names[tensor.name()] =
        dtype_of_onnx(tensor.data_type())
            ? stored({.graph = path, .name = tensor.name()},
                     [&] { return read_tensor(tensor, source_.imported(), *source_.external); })
            : unreadable(fmt::format("a tensor of type {}", onnx_type_name(tensor.data_type())));
  }
  for (const auto& sparse : graph.sparse_initializer()) {
    const std::string& name = sparse.values().name();
    names[name] = dtype_of_onnx(sparse.values().data_type())
                      ? stored({.graph = path, .name = name, .holder = Holder::sparse_initializer},
                               [&] { return read_sparse(sparse, *source_.external); })
                      : unreadable(fmt::format("a tensor of type {}",
                                               onnx_type_name(sparse.values().data_type())));
  }
}

std::optional<Operand> StoredTensors::held_by(const NodeProto& node,
                                              const std::vector<Operand>& inputs,
                                              const GraphPath& path) {
  const std::string name = first_output_of(node);
  if (node.op_type() == "Constant") {
    auto data = read_constant(node, source_.imported(), *source_.external);
    if (!data) return std::nullopt;
    return stored({.graph = path, .name = name, .holder = Holder::constant}, [&] { return *data; });
  }
  if (node.op_type() != "ConstantOfShape" || !weights_.at_weight_place(name) || inputs.empty() ||
      inputs[0].kind != Operand::Kind::constant || inputs[0].weight < 0 ||
      is_float(inputs[0].data.type.dtype))
    return std::nullopt;
  return stored({.graph = path, .name = name, .holder = Holder::constant_of_shape},
                [&] { return read_filled(node, to_int64s(inputs[0].data)); });
}

std::vector<std::string> StoredTensors::notes() const {
  std::vector<std::string> lines;
  for (const auto& [dtype, tensors] : narrowed_)
    lines.push_back(
        fmt::format("{} tensors of type {}: computed and trained as f32, written back as {}",
                    tensors, name_of(dtype), name_of(dtype)));
  return lines;
}

}  // namespace headrace
