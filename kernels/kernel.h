#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace headrace {

// What changes from step to step and is no tensor.
struct StepContext {
  uint64_t seed = 0;  // of the run
  int64_t step = 0;   // 0 for the first
  int microbatch = 0;
  double learning_rate = 0;
  double gradient_scale = 1;  // what global-norm clipping multiplies gradients by
};

// Valid during the call of `run`, memory aside.
struct KernelArgs {
  std::span<const void* const> inputs;  // null where an optional input is left out
  std::span<void* const> outputs;       // null where an output is left out
  void* workspace = nullptr;  // workspace_bytes() bytes, 64-byte aligned, contents undefined
  const StepContext* step = nullptr;
};

// One node made ready for one device: primitives, packed constants and sizes are settled when it is
// prepared, so `run` allocates nothing and may be called for any micro-batch.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual size_t workspace_bytes() const { return 0; }
  // The input whose memory `output` may take over (same bytes, read before or while written), or
  // -1.
  virtual int in_place_input(size_t /*output*/) const { return -1; }
  // Asynchronous on devices with streams; called from the device's own thread.
  virtual void run(const KernelArgs& args) const = 0;
};

// What a kernel is prepared for. Types and layouts are parallel to the node's inputs and outputs.
struct KernelRequest {
  const Node* node = nullptr;
  std::vector<TensorType> input_types, output_types;
  std::vector<Layout> input_layouts, output_layouts;
  // Contents of inputs that are constants, empty tensors elsewhere.
  std::vector<HostTensor> constants;
  // Outputs that are added to what lies there instead of replacing it (gradient accumulation).
  // A backend that cannot do it for this node refuses; the executor then adds in a second kernel.
  std::vector<bool> accumulate;
};

// True where what a node computes depends on more of StepContext than the micro-batch.
bool reads_step(const Node& node);

KernelRequest kernel_request(const Graph& graph, const Node& node);

}  // namespace headrace
