#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"

namespace headrace::cpu {
LayoutProposal propose_row_major(const Context&, const KernelRequest& request) {
  return row_major_proposal(request);
}

LayoutProposal propose_same(const Context&, const KernelRequest& request) {
  LayoutProposal proposal = row_major_proposal(request);
  const Shape& shape = request.output_types[0].shape;
  Layout leader;
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    const TensorType& type = request.input_types[i];
    if (!has_input(request, i)) continue;
    if (type.shape != shape) {
      // A value that is broadcast is addressed by its row-major place, unless it is a single one.
      if (type.elements() != 1) return proposal;
    } else if (leader.id == 0) {
      leader = request.input_layouts[i];
    }
  }
  if (leader.id == 0) return proposal;
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    if (has_input(request, i) && request.input_types[i].shape == shape) {
      proposal.inputs[i] = layout_like(leader, request.input_types[i]);
    }
  }
  proposal.outputs[0] = layout_like(leader, request.output_types[0]);
  return proposal;
}

}  // namespace headrace::cpu
