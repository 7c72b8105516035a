#include "executor/fuse_for_device.h"

namespace headrace {

ForwardGraph fuse_for_device(ForwardGraph forward, DType products, Device& device) {
  const auto wants = [&](const Node& node, const std::vector<TensorType>& inputs,
                         const std::vector<TensorType>& outputs) {
    KernelRequest request;
    request.node = &node;
    request.input_types = inputs;
    request.output_types = outputs;
    request.input_layouts.resize(inputs.size());
    request.output_layouts.resize(outputs.size());
    request.constants.resize(inputs.size());
    request.accumulate.resize(outputs.size());
    return device.fuses(request);
  };
  return fuse_attention(std::move(forward), products, wants);
}

}  // namespace headrace
