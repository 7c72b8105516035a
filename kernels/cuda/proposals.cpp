#include "kernels/cuda/families.h"
#include "kernels/cuda/layouts.h"

namespace headrace::cuda {

LayoutProposal propose_row_major(const Context&, const KernelRequest& request) {
  return row_major_proposal(request);
}

LayoutProposal propose_same(const Context&, const KernelRequest& request) {
  LayoutProposal proposal = row_major_proposal(request);
  const Shape& shape = request.output_types[0].shape;
  const auto leads = [&](size_t i) {
    return has_input(request, i) && request.input_types[i].shape == shape;
  };
  Layout leader;
  for (size_t i = 0; i < request.input_types.size(); ++i)
    if (leads(i) && leader.id == 0) leader = request.input_layouts[i];
  for (size_t i = 0; i < request.input_types.size(); ++i)
    if (leads(i)) proposal.inputs[i] = like(leader, request.input_types[i]);
  for (size_t o = 0; o < request.output_types.size(); ++o)
    if (has_output(request, o) && request.output_types[o].shape == shape)
      proposal.outputs[o] = like(leader, request.output_types[o]);
  return proposal;
}

LayoutProposal propose_alike(const Context&, const KernelRequest& request) {
  LayoutProposal proposal = row_major_proposal(request);
  Layout leader;
  for (size_t i = 0; i < request.input_types.size(); ++i)
    if (has_input(request, i) && leader.id == 0) leader = request.input_layouts[i];
  for (size_t i = 0; i < request.input_types.size(); ++i)
    if (has_input(request, i)) proposal.inputs[i] = like(leader, request.input_types[i]);
  for (size_t o = 0; o < request.output_types.size(); ++o)
    if (has_output(request, o)) proposal.outputs[o] = like(leader, request.output_types[o]);
  return proposal;
}

LayoutProposal propose_channels_last(const Context&, const KernelRequest& request) {
  LayoutProposal proposal = row_major_proposal(request);
  for (size_t i = 0; i < request.input_types.size(); ++i)
    if (has_input(request, i)) proposal.inputs[i] = channels_last(request.input_types[i]);
  for (size_t o = 0; o < request.output_types.size(); ++o)
    if (has_output(request, o)) proposal.outputs[o] = channels_last(request.output_types[o]);
  return proposal;
}

LayoutProposal propose_as_given(const Context&, const KernelRequest& request) {
  return {request.input_layouts, request.output_layouts};
}

LayoutProposal propose_inputs_as_given(const Context&, const KernelRequest& request) {
  return {request.input_layouts, std::vector<Layout>(request.output_types.size())};
}

}  // namespace headrace::cuda
