#pragma once

#include <vector>

#include "kernels/cpu/implementation.h"

namespace headrace::cpu {

// One oneDNN primitive as a kernel. Memory objects are made once; `run` only points them at the
// data. A value that lies otherwise than the primitive wants it is converted through the workspace
// on the way.
class PrimitiveKernel : public Kernel {
 public:
  // `primitive` was made with a scratchpad of the user's.
  PrimitiveKernel(const Context& context, dnnl::primitive primitive,
                  const dnnl::memory::desc& scratchpad);

  // Input or output `index` is oneDNN's `argument`: it lies as `lies`, the primitive wants
  // `wanted`.
  void bind_input(size_t index, int argument, const dnnl::memory::desc& lies,
                  const dnnl::memory::desc& wanted);
  void bind_input(size_t index, int argument, const dnnl::memory::desc& desc) {
    bind_input(index, argument, desc, desc);
  }
  // `accumulate`: the primitive's result is added to what lies there.
  void bind_output(size_t index, int argument, const dnnl::memory::desc& lies,
                   const dnnl::memory::desc& wanted, bool accumulate = false);
  void bind_output(size_t index, int argument, const dnnl::memory::desc& desc) {
    bind_output(index, argument, desc, desc);
  }
  // An argument that lives in the workspace only: its contents are lost after the run.
  void bind_workspace(int argument, const dnnl::memory::desc& desc);
  // The output may overwrite this input.
  void set_in_place(size_t output, int input);

  size_t workspace_bytes() const override { return workspace_bytes_; }
  int in_place_input(size_t output) const override;
  void run(const KernelArgs& args) const override;

 protected:
  // Reserves workspace; the offset is a multiple of 64.
  size_t reserve(size_t bytes);

 private:
  struct Binding {
    enum class Source { input, output, workspace } source;
    size_t index;       // of the input or output
    size_t argument;    // place in arguments_ of the memory that the primitive sees
    size_t offset = 0;  // in the workspace: of a converted or internal value
    // What happens between the caller's memory and the primitive's: before it runs for inputs,
    // after it for outputs.
    enum class Passage { none, convert, convert_and_add, add } passage = Passage::none;
    dnnl::memory lies = {};
    dnnl::reorder convert = {};
    int64_t elements = 0;  // to add
  };

  void convert(const Binding& binding, const dnnl::memory& from, const dnnl::memory& to) const;
  size_t add_argument(int argument, const dnnl::memory::desc& desc);

  dnnl::stream stream_;
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::vector<Binding> bindings_;
  std::vector<int> in_place_;
  size_t workspace_bytes_ = 0;
};

// The attributes of every primitive here: a scratchpad of the user's.
dnnl::primitive_attr user_scratchpad();

// A memory object without data, and its data set for one run.
dnnl::memory make_memory(const dnnl::memory::desc& desc);
void point(const dnnl::memory& memory, const void* data);
void execute(const dnnl::primitive& primitive, const dnnl::stream& stream,
             std::span<const dnnl_exec_arg_t> arguments);

}  // namespace headrace::cpu
