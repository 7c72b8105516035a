#include "kernels/cuda/host_kernel.h"
#include "kernels/cuda/implementation.h"

namespace headrace::cuda {

std::unique_ptr<Kernel> prepare(const Context& context, const KernelRequest& request,
                                std::span<const Implementation> libraries) {
  for (const Implementation& implementation : libraries)
    if (Prepared prepared = implementation.prepare(context, request); prepared.kernel)
      return std::move(prepared.kernel);
  if (const OperatorEntry* entry = find_operator(request.node->op))
    for (const Implementation& implementation : entry->implementations)
      if (Prepared prepared = implementation.prepare(context, request); prepared.kernel)
        return std::move(prepared.kernel);
  // A second kernel that adds on the device beats a detour over the host.
  if (accumulates(request)) return nullptr;
  return prepare_on_host(context, request);
}

LayoutProposal propose_layouts(const Context& context, const KernelRequest& request) {
  const OperatorEntry* entry = find_operator(request.node->op);
  return entry ? entry->propose(context, request) : row_major_proposal(request);
}

}  // namespace headrace::cuda
