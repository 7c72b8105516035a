#include "kernels/implementation.h"

#include <algorithm>

namespace headrace {

bool has_input(const KernelRequest& request, size_t i) {
  return i < request.node->inputs.size() && request.node->inputs[i] != kNoValue;
}

bool has_output(const KernelRequest& request, size_t i) {
  return i < request.node->outputs.size() && request.node->outputs[i] != kNoValue;
}

bool accumulates(const KernelRequest& request) {
  return std::ranges::find(request.accumulate, true) != request.accumulate.end();
}

bool accumulates(const KernelRequest& request, size_t output) {
  return output < request.accumulate.size() && request.accumulate[output];
}

bool all_row_major(const KernelRequest& request) {
  auto row_major = [](const Layout& layout) { return layout.id == 0; };
  return std::ranges::all_of(request.input_layouts, row_major) &&
         std::ranges::all_of(request.output_layouts, row_major);
}

LayoutProposal row_major_proposal(const KernelRequest& request) {
  return {std::vector<Layout>(request.input_types.size()),
          std::vector<Layout>(request.output_types.size())};
}

}  // namespace headrace
