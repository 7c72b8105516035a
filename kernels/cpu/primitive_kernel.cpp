#include "kernels/cpu/primitive_kernel.h"

#include "graph/error.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

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
  Binding binding{Binding::Source::input, index, add_argument(argument, wanted)};
  if (lies != wanted) {
    binding.passage = Binding::Passage::convert;
    binding.offset = reserve(wanted.get_size());
    binding.lies = make_memory(lies);
    binding.convert = make_reorder(lies, wanted, false);
  }
  bindings_.push_back(std::move(binding));
}

void PrimitiveKernel::bind_output(size_t index, int argument, const dnnl::memory::desc& lies,
                                  const dnnl::memory::desc& wanted, bool accumulate) {
  using Passage = Binding::Passage;
  Binding binding{Binding::Source::output, index, add_argument(argument, wanted)};
  if (lies != wanted) {
    binding.passage = accumulate ? Passage::convert_and_add : Passage::convert;
    binding.lies = make_memory(lies);
    binding.convert = make_reorder(wanted, lies, accumulate);
  } else if (accumulate) {
    HEADRACE_CHECK(wanted.get_data_type() == dnnl::memory::data_type::f32);
    binding.passage = Passage::add;
    binding.elements = static_cast<int64_t>(wanted.get_size() / sizeof(float));
  }
  if (binding.passage != Passage::none) binding.offset = reserve(wanted.get_size());
  bindings_.push_back(std::move(binding));
}

void PrimitiveKernel::bind_workspace(int argument, const dnnl::memory::desc& desc) {
  Binding binding{Binding::Source::workspace, 0, add_argument(argument, desc)};
  binding.offset = reserve(desc.get_size());
  bindings_.push_back(std::move(binding));
}

void PrimitiveKernel::set_in_place(size_t output, int input) {
  if (in_place_.size() <= output) in_place_.resize(output + 1, -1);
  in_place_[output] = input;
}

int PrimitiveKernel::in_place_input(size_t output) const {
  return output < in_place_.size() ? in_place_[output] : -1;
}

void PrimitiveKernel::convert(const Binding& binding, const dnnl::memory& from,
                              const dnnl::memory& to) const {
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}};
  execute(binding.convert, stream_, arguments);
}

void PrimitiveKernel::run(const KernelArgs& args) const {
  using Passage = Binding::Passage;
  using Source = Binding::Source;
  auto* workspace = static_cast<std::byte*>(args.workspace);
  for (const Binding& binding : bindings_) {
    const dnnl::memory& seen = memories_[binding.argument];
    const void* given = binding.source == Source::workspace ? workspace + binding.offset
                        : binding.source == Source::input   ? args.inputs[binding.index]
                                                            : args.outputs[binding.index];
    point(seen, binding.passage == Passage::none ? given : workspace + binding.offset);
    if (binding.lies) point(binding.lies, given);
    if (binding.source == Source::input && binding.passage == Passage::convert) {
      convert(binding, binding.lies, seen);
    }
  }
  execute(primitive_, stream_, arguments_);
  for (const Binding& binding : bindings_) {
    if (binding.source != Source::output || binding.passage == Passage::none) continue;
    if (binding.passage != Passage::add) {
      convert(binding, memories_[binding.argument], binding.lies);
      continue;
    }
    const auto* made = reinterpret_cast<const float*>(workspace + binding.offset);
    auto* sum = static_cast<float*>(args.outputs[binding.index]);
    parallel_ranges(
        binding.elements, 1,
        [&](int64_t begin, int64_t end) {
          vector_table().elementwise->add_to(made + begin, sum + begin, end - begin);
        },
        16);
  }
}

}  // namespace headrace::cpu
