#include "kernels/cuda/host_kernel.h"

#include <utility>

#include "graph/error.h"
#include "kernels/cuda/layouts.h"

namespace headrace::cuda {
namespace {

constexpr size_t kHostLine = 64;

size_t in_host_lines(size_t bytes) { return (bytes + kHostLine - 1) / kHostLine * kHostLine; }

// A value on the host: as the device's memory has it, and row-major, which is the same place where
// it lies so already.
struct Staged {
  TensorType type;
  Layout layout;
  size_t raw = 0, rows = 0;  // offsets
};

class HostKernel : public Kernel {
 public:
  HostKernel(const Context& context, const KernelRequest& request, std::unique_ptr<Kernel> kernel)
      : context_(context), kernel_(std::move(kernel)), reads_step_(reads_step(*request.node)) {
    for (size_t i = 0; i < request.node->inputs.size(); ++i)
      inputs_.push_back(has_input(request, i)
                            ? stage(request.input_types[i], request.input_layouts[i])
                            : Staged{});
    for (size_t o = 0; o < request.node->outputs.size(); ++o)
      outputs_.push_back(has_output(request, o)
                             ? stage(request.output_types[o], request.output_layouts[o])
                             : Staged{});
    workspace_ = end_;
    end_ += kernel_->workspace_bytes() + kHostLine;
    context_.staging->reserve(end_);
    input_pointers_.resize(inputs_.size());
    output_pointers_.resize(outputs_.size());
  }

  void run(const KernelArgs& args) const override {
    std::byte* memory = memory_ = context_.staging->data();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      input_pointers_[i] = args.inputs[i] == nullptr ? nullptr : memory + inputs_[i].rows;
      if (args.inputs[i] != nullptr)
        copy_to_host(context_.queue, memory + inputs_[i].raw, args.inputs[i],
                     static_cast<size_t>(inputs_[i].type.bytes()));
    }
    for (size_t o = 0; o < outputs_.size(); ++o)
      output_pointers_[o] = args.outputs[o] == nullptr ? nullptr : memory + outputs_[o].rows;
    if (reads_step_) {
      wait_for(context_.queue);
      step_ = *args.step;
      compute();
    } else {
      call_on_host(
          context_.queue, [](void* self) { static_cast<const HostKernel*>(self)->try_compute(); },
          const_cast<HostKernel*>(this));
    }
    context_.staging->throw_failure();
    for (size_t o = 0; o < outputs_.size(); ++o)
      if (args.outputs[o] != nullptr)
        copy_to_device(context_.queue, args.outputs[o], memory + outputs_[o].raw,
                       static_cast<size_t>(outputs_[o].type.bytes()));
  }

 private:
  Staged stage(const TensorType& type, const Layout& layout) {
    Staged staged{.type = type, .layout = layout, .raw = end_, .rows = end_};
    end_ += in_host_lines(static_cast<size_t>(type.bytes()));
    if (layout.id == 0) return staged;
    staged.rows = end_;
    end_ += in_host_lines(static_cast<size_t>(type.bytes()));
    return staged;
  }

  // No exception may pass the driver, which calls this.
  void try_compute() const {
    try {
      compute();
    } catch (...) {
      context_.staging->keep_failure(std::current_exception());
    }
  }

  // The same places in every call, so one call may be under way while the next is asked for.
  void compute() const {
    context_.host->bind_thread();
    std::byte* memory = memory_;
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (const Staged& in = inputs_[i]; input_pointers_[i] != nullptr && in.raw != in.rows)
        convert(in.type, in.layout, {}, memory + in.raw, memory + in.rows);
    kernel_->run({.inputs = input_pointers_,
                  .outputs = output_pointers_,
                  .workspace = memory + workspace_,
                  .step = &step_});
    for (size_t o = 0; o < outputs_.size(); ++o)
      if (const Staged& out = outputs_[o]; output_pointers_[o] != nullptr && out.raw != out.rows)
        convert(out.type, {}, out.layout, memory + out.rows, memory + out.raw);
  }

  const Context context_;
  std::unique_ptr<Kernel> kernel_;
  bool reads_step_;
  std::vector<Staged> inputs_, outputs_;
  size_t end_ = 0, workspace_ = 0;
  mutable std::byte* memory_ = nullptr;
  mutable std::vector<const void*> input_pointers_;
  mutable std::vector<void*> output_pointers_;
  mutable StepContext step_;
};

}  // namespace

Staging::~Staging() {
  for (std::byte* block : blocks_) free_pinned(block);
}

void Staging::keep_failure(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(failure);
}

void Staging::throw_failure() {
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

std::byte* Staging::data() {
  if (blocks_.empty() || held_ < wanted_) {
    held_ = wanted_;
    blocks_.push_back(static_cast<std::byte*>(allocate_pinned(in_host_lines(held_))));
  }
  return blocks_.back();
}

std::unique_ptr<Kernel> prepare_on_host(const Context& context, const KernelRequest& request) {
  KernelRequest on_host = request;
  for (Layout& layout : on_host.input_layouts) layout = {};
  for (Layout& layout : on_host.output_layouts) layout = {};
  auto kernel = context.host->prepare(on_host);
  context.detours->insert(request.node->op);
  return std::make_unique<HostKernel>(context, request, std::move(kernel));
}

}  // namespace headrace::cuda
