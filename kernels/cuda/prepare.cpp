#include "graph/error.h"
#include "kernels/cuda/host_kernel.h"
#include "kernels/cuda/implementation.h"

namespace headrace::cuda {

std::unique_ptr<Kernel> prepare(const Context& context, const KernelRequest& request,
                                std::span<const Implementation> libraries) {
  std::string refusals;
  std::unique_ptr<Kernel> kernel;
  const auto ask = [&](std::string_view name, PrepareFunction prepare) {
    Prepared prepared = prepare(context, request);
    if (!prepared.kernel) refusals += fmt::format("{}: {}; ", name, prepared.refusal);
    kernel = std::move(prepared.kernel);
    return kernel != nullptr;
  };
  for (const Implementation& implementation : libraries)
    if (ask(implementation.name, implementation.prepare)) return kernel;
  if (const OperatorEntry* entry = find_operator(request.node->op))
    for (const Implementation& implementation : entry->implementations)
      if (ask(implementation.name, implementation.prepare)) return kernel;
  // A second kernel that adds on the device beats a detour over the host.
  if (accumulates(request)) return nullptr;
  ask("host", prepare_on_host);
  return kernel;
}

LayoutProposal propose_layouts(const Context& context, const KernelRequest& request) {
  const OperatorEntry* entry = find_operator(request.node->op);
  return entry ? entry->propose(context, request) : row_major_proposal(request);
}

}  // namespace headrace::cuda
