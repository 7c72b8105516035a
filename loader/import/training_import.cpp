#include <algorithm>

#include "graph/error.h"
#include "loader/import/training_step.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

using onnx::ModelProto;

// An import of its own, of a model that was made here: tensors of its graph may be in files beside
// `beside`.
ImportResult import_made(std::shared_ptr<ModelProto> model, const ModelSource& beside,
                         LoadOptions options) {
  for (auto& output : *model->mutable_graph()->mutable_output())
    output.mutable_type()->mutable_tensor_type()->mutable_shape();
  check_model(*model, beside.path.string());
  ModelSource source;
  source.path = beside.path;
  source.external = std::make_unique<ExternalData>(beside.path.parent_path());
  if (model->functions_size() > 0) model = expand_functions(*model, beside.path.string());
  source.proto = std::move(model);
  std::map<std::string, Shape> shapes;
  for (const auto& input : source.proto->graph().input()) {
    Shape& shape = shapes[input.name()];
    for (const auto& dim : input.type().tensor_type().shape().dim())
      shape.push_back(dim.dim_value());
  }
  options.trained = std::set<std::string>{};
  options.as_exported = true;
  ImportResult result = import_model(source, shapes, options);
  require_supported(result);
  return result;
}

}  // namespace

std::map<std::string, HostTensor> run_initialization(const ModelSource& source,
                                                     const LoadOptions& options) {
  const auto& info = source.proto->training_info(0);
  if (info.initialization_binding_size() == 0) return {};
  auto model = std::make_shared<ModelProto>(*source.proto);
  model->clear_training_info();
  *model->mutable_graph() = info.initialization();
  LoadOptions drawing = options;
  drawing.draw = true;
  const ImportResult made = import_made(std::move(model), source, drawing);
  const Graph& graph = made.forward.graph;
  std::map<std::string, HostTensor> contents;
  const auto& outputs = info.initialization().output();
  for (const auto& binding : info.initialization_binding()) {
    const auto output = std::find_if(outputs.begin(), outputs.end(),
                                     [&](const auto& o) { return o.name() == binding.value(); });
    if (output == outputs.end())
      throw Error("the initialization has no output '{}'", binding.value());
    const ValueId id = graph.outputs.at(static_cast<size_t>(output - outputs.begin()));
    // A folded output is an Identity of its constant, which keeps both names.
    const NodeId maker = graph.value(id).producer;
    const Value* made_value = &graph.value(id);
    if (maker != kNoNode && graph.node(maker).op == "Identity")
      made_value = &graph.value(graph.node(maker).inputs[0]);
    if (made_value->role != Role::constant)
      throw Error("the initialization of '{}' by '{}' cannot be computed", binding.key(),
                  binding.value());
    contents[binding.key()] = made_value->data;
  }
  return contents;
}

WrittenUpdate import_update(const TrainingStep& step, const ModelSource& source,
                            const LoadOptions& options) {
  ForwardGraph forward = canonicalize(import_made(step.update, source, options).forward);
  WrittenUpdate update;
  update.graph = std::move(forward.graph);
  Graph& graph = update.graph;
  const auto find = [&](const std::string& name) {
    const auto id = graph.find(name);
    HEADRACE_CHECK(id, "no value '{}' in the update", name);
    return *id;
  };
  for (const auto& [value, tensor] : step.gradients)
    update.gradients.push_back({find(value), tensor});
  std::map<std::string, ValueId> outputs;
  for (int i = 0; i < step.update->graph().output_size(); ++i)
    outputs[step.update->graph().output(i).name()] = graph.outputs.at(static_cast<size_t>(i));
  for (const auto& [tensor, replacement] : step.bindings) {
    const ValueId before = find(tensor);
    const ValueId after = replacement.empty() ? kNoValue : outputs.at(replacement);
    if (after != kNoValue && graph.value(after).type != graph.value(before).type)
      throw Error("the update of '{}', which is {}, makes {}", tensor,
                  to_string(graph.value(before).type), to_string(graph.value(after).type));
    graph.value(before).role = Role::state;
    const auto stored = std::make_shared<const onnx::TensorProto>(step.contents.at(tensor));
    graph.value(before).data = read_tensor(*stored, stored, *source.external);
    update.kept.push_back({tensor, before, after});
  }
  std::erase_if(graph.inputs, [&](ValueId id) { return graph.value(id).role == Role::state; });
  if (!step.rate.empty()) update.rate = find(step.rate);
  if (!step.step.empty()) update.step = find(step.step);
  return update;
}

}  // namespace headrace
