#include "kernels/evaluate.h"

#include <algorithm>

#include "graph/op_def.h"
#include "kernels/reference/reference.h"

namespace headrace {
namespace {

std::unique_ptr<Kernel> prepare(const KernelRequest& request) {
  if (auto kernel = prepare_reference(request)) return kernel;
  std::string types;
  for (const TensorType& type : request.input_types)
    types += (types.empty() ? "" : ", ") + to_string(type);
  throw Error("node '{}': the reference has no kernel for {}({})", request.node->name,
              request.node->op, types);
}

// Workspace with the alignment that kernels expect.
HostTensor workspace_for(const Kernel& kernel, std::byte** data) {
  auto [tensor, bytes] =
      allocate_host_tensor({DType::u8, {static_cast<int64_t>(kernel.workspace_bytes())}});
  *data = bytes;
  return tensor;
}

std::vector<HostTensor> run_kernel(const Kernel& kernel, std::span<const HostTensor> inputs,
                                   std::span<const TensorType> output_types,
                                   const StepContext& step,
                                   std::span<const ValueId> output_ids = {}) {
  std::vector<const void*> input_pointers;
  for (const HostTensor& tensor : inputs) input_pointers.push_back(tensor.data.get());
  std::vector<HostTensor> outputs;
  std::vector<void*> output_pointers;
  for (size_t i = 0; i < output_types.size(); ++i) {
    if (!output_ids.empty() && output_ids[i] == kNoValue) {
      outputs.emplace_back();
      output_pointers.push_back(nullptr);
      continue;
    }
    auto [tensor, bytes] = allocate_host_tensor(output_types[i]);
    outputs.push_back(std::move(tensor));
    output_pointers.push_back(bytes);
  }
  std::byte* workspace = nullptr;
  const HostTensor keep = workspace_for(kernel, &workspace);
  kernel.run({input_pointers, output_pointers, workspace, &step});
  return outputs;
}

}  // namespace

HostTensor as_f64(const HostTensor& tensor) {
  if (!tensor || !is_float(tensor.type.dtype) || tensor.type.dtype == DType::f64) return tensor;
  return make_host_tensor<double>(tensor.type.shape, to_doubles(tensor));
}

std::vector<HostTensor> evaluate(const Node& node, std::span<const HostTensor> inputs) {
  HEADRACE_CHECK(inputs.size() == node.inputs.size());
  KernelRequest request;
  request.node = &node;
  for (const HostTensor& tensor : inputs)
    request.input_types.push_back(tensor ? tensor.type : TensorType{DType::f32, {0}});
  request.output_types = get_op(node.op).infer(node, request.input_types);
  request.input_layouts.resize(inputs.size());
  request.output_layouts.resize(request.output_types.size());
  request.constants.assign(inputs.begin(), inputs.end());
  request.accumulate.assign(request.output_types.size(), false);
  return run_kernel(*prepare(request), inputs, request.output_types, {});
}

GraphEvaluator::GraphEvaluator(const Graph& graph, EvaluateOptions options)
    : graph_(graph),
      options_(options),
      kernels_(graph.nodes().size()),
      sources_(graph.values().size()) {}
GraphEvaluator::~GraphEvaluator() = default;
GraphEvaluator::GraphEvaluator(GraphEvaluator&&) noexcept = default;

TensorType GraphEvaluator::type_of(ValueId id) const {
  if (id == kNoValue) return {DType::f32, {0}};
  TensorType type = graph_.value(id).type;
  if (options_.in_f64 && is_float(type.dtype)) type.dtype = DType::f64;
  return type;
}

const Kernel& GraphEvaluator::kernel(NodeId id) {
  auto& kernel = kernels_[index(id)];
  if (!kernel) {
    KernelRequest request = kernel_request(graph_, graph_.node(id));
    const Node& node = graph_.node(id);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      request.input_types[i] = type_of(node.inputs[i]);
      request.input_layouts[i] = {};
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      request.output_types[i] = type_of(node.outputs[i]);
      request.output_layouts[i] = {};
    }
    if (options_.in_f64)
      for (HostTensor& constant : request.constants) constant = as_f64(constant);
    kernel = prepare(request);
  }
  return *kernel;
}

HostTensor GraphEvaluator::source(ValueId id) {
  const Value& value = graph_.value(id);
  if (!value.data) throw Error("the graph's input '{}' is not fed", value.name);
  if (!options_.in_f64) return value.data;
  HostTensor& converted = sources_[index(id)];
  if (!converted) converted = as_f64(value.data);
  return converted;
}

std::vector<HostTensor> GraphEvaluator::run(const Feeds& feeds, std::span<const ValueId> wanted) {
  std::vector<HostTensor> held(graph_.values().size());
  for (const auto& [id, tensor] : feeds) {
    held[index(id)] = options_.in_f64 ? as_f64(tensor) : tensor;
    if (held[index(id)].type != type_of(id))
      throw Error("'{}' is fed {}, it is {}", graph_.value(id).name, to_string(tensor.type),
                  to_string(graph_.value(id).type));
  }
  // Nodes stand in executable order: backwards what is needed, then forwards what is run.
  std::vector<bool> needed(graph_.values().size());
  for (ValueId id : wanted) needed[index(id)] = true;
  std::vector<size_t> order;
  for (size_t n = graph_.nodes().size(); n-- > 0;) {
    const Node& node = graph_.nodes()[n];
    const bool runs = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
      return id != kNoValue && needed[index(id)] && !held[index(id)];
    });
    if (!runs) continue;
    order.push_back(n);
    for (ValueId id : node.inputs)
      if (id != kNoValue) needed[index(id)] = true;
  }
  std::reverse(order.begin(), order.end());
  const auto read = [&](ValueId id) -> HostTensor {
    if (id == kNoValue) return {};
    if (!held[index(id)]) held[index(id)] = source(id);
    return held[index(id)];
  };
  for (size_t n : order) {
    const Node& node = graph_.nodes()[n];
    std::vector<HostTensor> inputs;
    for (ValueId id : node.inputs) inputs.push_back(read(id));
    std::vector<TensorType> types;
    for (ValueId id : node.outputs) types.push_back(type_of(id));
    auto outputs =
        run_kernel(kernel(static_cast<NodeId>(n)), inputs, types, options_.step, node.outputs);
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i] && !held[index(node.outputs[i])])
        held[index(node.outputs[i])] = std::move(outputs[i]);
  }
  std::vector<HostTensor> results;
  for (ValueId id : wanted) results.push_back(read(id));
  return results;
}

std::vector<HostTensor> evaluate_graph(const Graph& graph, const Feeds& feeds,
                                       std::span<const ValueId> wanted,
                                       const EvaluateOptions& options) {
  return GraphEvaluator(graph, options).run(feeds, wanted);
}

}  // namespace headrace
