#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/primitive_kernel.h"

namespace headrace::cpu {
namespace {

// The same value in another layout.
class ReorderKernel : public Kernel {
 public:
  ReorderKernel(const Context& context, const dnnl::memory::desc& from,
                const dnnl::memory::desc& to)
      : stream_(context.stream),
        from_(make_memory(from)),
        to_(make_memory(to)),
        reorder_(dnnl::reorder::primitive_desc(engine(), from, engine(), to, user_scratchpad())) {}

  void run(const KernelArgs& args) const override {
    point(from_, args.inputs[0]);
    point(to_, args.outputs[0]);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from_.get()}, {DNNL_ARG_TO, to_.get()}};
    execute(reorder_, stream_, arguments);
  }

 private:
  dnnl::stream stream_;
  dnnl::memory from_, to_;
  dnnl::reorder reorder_;
};

}  // namespace

LayoutProposal propose_as_given(const Context&, const KernelRequest& request) {
  return {request.input_layouts, request.output_layouts};
}

Prepared prepare_reorder(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const TensorType& type = request.input_types[0];
  if (!has_dnnl_type(type.dtype)) return refuse("{} is none of oneDNN's", name_of(type.dtype));
  return std::make_unique<ReorderKernel>(context, memory_desc(type, request.input_layouts[0]),
                                         memory_desc(type, request.output_layouts[0]));
}

}  // namespace headrace::cpu
