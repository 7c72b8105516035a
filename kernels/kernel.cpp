#include "kernels/kernel.h"

namespace headrace {

bool reads_step(const Node& node) {
  return node.op.ends_with("Update") || node.op == "Dropout" || node.op == "RandomUniform";
}

KernelRequest kernel_request(const Graph& graph, const Node& node) {
  KernelRequest request;
  request.node = &node;
  request.input_types = graph.types(node.inputs);
  request.output_types = graph.types(node.outputs);
  for (ValueId id : node.inputs) {
    const bool present = id != kNoValue;
    const bool constant = present && graph.value(id).role == Role::constant;
    request.input_layouts.push_back(present ? graph.value(id).layout : Layout{});
    request.constants.push_back(constant ? graph.value(id).data : HostTensor{});
  }
  for (ValueId id : node.outputs)
    request.output_layouts.push_back(id != kNoValue ? graph.value(id).layout : Layout{});
  request.accumulate.assign(node.outputs.size(), false);
  return request;
}

}  // namespace headrace
