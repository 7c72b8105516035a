#include "executor/forward.h"

#include <cstring>

#include "executor/compile.h"
#include "executor/devices.h"
#include "executor/session.h"
#include "executor/settle_layouts.h"
#include "executor/single_pass.h"
#include "graph/error.h"
#include "kernels/evaluate.h"
#include "loader/onnx/float_kinds.h"

namespace headrace {
namespace {

const HostTensor& input_named(const std::map<std::string, HostTensor>& tensors,
                              const Value& input) {
  const auto it = tensors.find(input.name);
  if (it == tensors.end()) {
    std::string given;
    for (const auto& [name, tensor] : tensors) given += fmt::format(" '{}'", name);
    throw Error("no tensor for input '{}' {}; given:{}", input.name, to_string(input.type), given);
  }
  return it->second;
}

const HostTensor& matching_input(const std::map<std::string, HostTensor>& tensors,
                                 const Value& input) {
  const HostTensor& tensor = input_named(tensors, input);
  if (tensor.type != input.type)
    throw Error("input '{}' is {} but the tensor given is {}", input.name, to_string(input.type),
                to_string(tensor.type));
  return tensor;
}

}  // namespace

std::map<std::string, HostTensor> run_forward(const std::string& model,
                                              const std::map<std::string, HostTensor>& inputs,
                                              Device& device) {
  LoadOptions options;
  options.training = false;
  options.evaluate = evaluate;
  for (const auto& [name, tensor] : inputs) options.input_shapes[name] = tensor.type.shape;
  options.input_contents = inputs;
  Model loaded = load_model(model, options);
  ForwardGraph forward = canonicalize(std::move(loaded.forward));
  TrainingGraph holder;
  holder.graph = std::move(forward.graph);
  const Graph graph = settle_layouts(std::move(holder), device).graph;

  // An output may be a view of an input or of a constant.
  const auto roots = storage_roots(graph);
  std::map<std::string, HostTensor> outputs;
  std::vector<ValueId> computed;
  for (const ValueId id : graph.outputs) {
    const Value& value = graph.value(id);
    const Value& root = graph.value(roots[index(id)]);
    if (root.role == Role::computed)
      computed.push_back(id);
    else
      outputs[value.name] = {
          value.type, (root.role == Role::input ? matching_input(inputs, root) : root.data).data};
  }

  DeviceMemory memory(device, graph);
  const SinglePass pass = single_pass(graph);
  TransferTable none(pass.plan, 1);
  DeviceProgram program = compile_pass({.graph = &graph,
                                        .gradients = {},
                                        .state_updates = {},
                                        .results = computed,
                                        .plan = &pass.plan,
                                        .schedule = &pass.schedule,
                                        .simulation = &pass.simulation},
                                       0, memory, none);
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    const HostTensor& tensor = matching_input(inputs, value);
    if (memory.has_slot(id, 0))
      device.upload(value.type, value.layout, tensor.data.get(), memory.slot(id, 0));
  }
  const Buffer arena = device.allocate(static_cast<size_t>(program.arena_bytes) + 64);
  const Buffer workspace = device.allocate(program.workspace_bytes() + 64);
  program.bind(static_cast<std::byte*>(arena.data()));
  const auto link = make_inproc_communicator(1, {});
  device.bind_thread();
  program.run(device, *link, StepContext{}, workspace.data(), std::chrono::steady_clock::now());

  for (const ValueId id : computed) {
    const Value& value = graph.value(id);
    auto [tensor, bytes] = allocate_host_tensor(value.type);
    device.download(value.type, value.layout, memory.slot(roots[index(id)], 0), bytes);
    outputs[value.name] = tensor;
  }
  return outputs;
}

std::map<std::string, HostTensor> batch_gradients(const RunConfig& config,
                                                  const std::map<std::string, HostTensor>& tensors,
                                                  const Scheduler& scheduler,
                                                  const PartitionStrategy& strategy) {
  RunConfig sized = config;
  if (!sized.batch)
    for (const auto& [name, tensor] : tensors)
      if (!tensor.type.shape.empty()) {
        sized.batch = tensor.type.shape[0];
        break;
      }
  auto devices = make_devices(sized);
  const PreparedModel prepared = prepare_model(sized, *devices[0]);
  const PreparedPlan plan =
      prepare_plan(prepared, sized, scheduler, strategy, plan_costs(prepared, sized, *devices[0]));
  const auto pipeline = make_pipeline(prepared, plan, sized, std::move(devices));

  const Graph& graph = prepared.training.graph;
  std::vector<ValueId> fed = prepared.inputs;
  fed.insert(fed.end(), prepared.targets.begin(), prepared.targets.end());
  for (const ValueId id : fed) {
    const Value& value = graph.value(id);
    HostTensor tensor = input_named(tensors, value);
    Shape whole = value.type.shape;
    if (!whole.empty()) whole[0] *= sized.microbatches;
    // A model in 16-bit floats or f64 computes in another dtype than its file says.
    if (tensor.type.shape == whole && is_float(tensor.type.dtype) && is_float(value.type.dtype))
      tensor = converted(tensor, value.type.dtype);
    if (tensor.type != TensorType{value.type.dtype, whole})
      throw Error("input '{}' of the whole batch is {} but the tensor given is {}", value.name,
                  to_string(TensorType{value.type.dtype, whole}), to_string(tensor.type));
    for (int m = 0; m < sized.microbatches; ++m)
      pipeline->feed(id, m, tensor.data.get() + m * value.type.bytes());
  }
  for (int m = 0; m < sized.microbatches; ++m)
    pipeline->feed_share(m, 1.0F / static_cast<float>(sized.microbatches));
  const double loss = pipeline->accumulate_gradients({});

  std::map<std::string, HostTensor> result;
  result["loss"] = scalar_tensor(static_cast<float>(loss));
  for (const auto& gradient : prepared.training.gradients)
    result["grad:" + graph.value(gradient.parameter).name] = pipeline->gradient(gradient.parameter);
  return result;
}

}  // namespace headrace
