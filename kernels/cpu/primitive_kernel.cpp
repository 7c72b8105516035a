#include "kernels/cpu/primitive_kernel.h"

#include "graph/error.h"

namespace headrace::cpu {
namespace {

dnnl::reorder make_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to,
                           bool accumulate) {
  dnnl::primitive_attr attributes;
  if (accumulate) {
    dnnl::post_ops sum;
    sum.append_sum();
    attributes.set_post_ops(sum);
  }
  return dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to, attributes));
}

}  // namespace

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

dnnl::memory make_memory(const dnnl::memory::desc& desc) {
  return {desc, engine(), DNNL_MEMORY_NONE};
}

void point(const dnnl::memory& memory, const void* data) {
  // oneDNN takes inputs and outputs through the same handle and does not write to inputs.
  const dnnl_status_t status = dnnl_memory_set_data_handle(memory.get(), const_cast<void*>(data));
  if (status != dnnl_success)
    throw RunError("oneDNN refused a memory handle (status {})", int(status));
}

void execute(const dnnl::primitive& primitive, const dnnl::stream& stream,
             std::span<const dnnl_exec_arg_t> arguments) {
  const dnnl_status_t status = dnnl_primitive_execute(
      primitive.get(), stream.get(), static_cast<int>(arguments.size()), arguments.data());
  if (status != dnnl_success) throw RunError("a oneDNN primitive failed (status {})", int(status));
}

PrimitiveKernel::PrimitiveKernel(const Context& context, dnnl::primitive primitive,
                                 const dnnl::memory::desc& scratchpad)
    : stream_(context.stream), primitive_(std::move(primitive)) {
  if (scratchpad.get_size() > 0) bind_workspace(DNNL_ARG_SCRATCHPAD, scratchpad);
}

size_t PrimitiveKernel::reserve(size_t bytes) {
  constexpr size_t kAlignment = 64;
  const size_t offset = workspace_bytes_;
  workspace_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return offset;
}

size_t PrimitiveKernel::add_argument(int argument, const dnnl::memory::desc& desc) {
  memories_.push_back(make_memory(desc));
  arguments_.push_back({argument, memories_.back().get()});
  return memories_.size() - 1;
}

void PrimitiveKernel::bind_input(size_t index, int argument, const dnnl::memory::desc& lies,
                                 const dnnl::memory::desc& wanted) {
  Binding binding{Binding::Source::input, index, add_argument(argument, wanted), 0, {}, {}, false};
  if (lies != wanted) {
    binding.offset = reserve(wanted.get_size());
    binding.lies = make_memory(lies);
    binding.convert = make_reorder(lies, wanted, false);
    binding.converted = true;
  }
  bindings_.push_back(std::move(binding));
}

void PrimitiveKernel::bind_output(size_t index, int argument, const dnnl::memory::desc& lies,
                                  const dnnl::memory::desc& wanted, bool accumulate) {
  Binding binding{Binding::Source::output, index, add_argument(argument, wanted), 0, {}, {}, false};
  if (lies != wanted || accumulate) {
    binding.offset = reserve(wanted.get_size());
    binding.lies = make_memory(lies);
    binding.convert = make_reorder(wanted, lies, accumulate);
    binding.converted = true;
  }
  bindings_.push_back(std::move(binding));
}

void PrimitiveKernel::bind_workspace(int argument, const dnnl::memory::desc& desc) {
  const size_t slot = add_argument(argument, desc);
  bindings_.push_back(
      {Binding::Source::workspace, 0, slot, reserve(desc.get_size()), {}, {}, false});
}

void PrimitiveKernel::set_in_place(size_t output, int input) {
  if (in_place_.size() <= output) in_place_.resize(output + 1, -1);
  in_place_[output] = input;
}

int PrimitiveKernel::in_place_input(size_t output) const {
  return output < in_place_.size() ? in_place_[output] : -1;
}

void PrimitiveKernel::run(const KernelArgs& args) const {
  auto* workspace = static_cast<std::byte*>(args.workspace);
  auto convert = [&](const dnnl::memory& from, const dnnl::memory& to, const Binding& binding) {
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}};
    execute(binding.convert, stream_, arguments);
  };
  for (const Binding& binding : bindings_) {
    const dnnl::memory& seen = memories_[binding.argument];
    if (binding.source == Binding::Source::workspace || binding.converted) {
      point(seen, workspace + binding.offset);
    } else if (binding.source == Binding::Source::input) {
      point(seen, args.inputs[binding.index]);
    } else {
      point(seen, args.outputs[binding.index]);
    }
    if (!binding.converted) continue;
    if (binding.source == Binding::Source::input) {
      point(binding.lies, args.inputs[binding.index]);
      convert(binding.lies, seen, binding);
    } else {
      point(binding.lies, args.outputs[binding.index]);
    }
  }
  execute(primitive_, stream_, arguments_);
  for (const Binding& binding : bindings_) {
    if (binding.converted && binding.source == Binding::Source::output) {
      convert(memories_[binding.argument], binding.lies, binding);
    }
  }
}

}  // namespace headrace::cpu
