#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/primitive_kernel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {

// Offsets into a kernel's workspace, multiples of 64.
class WorkspacePlan {
 public:
  size_t reserve(size_t bytes) {
    const size_t offset = bytes_;
    bytes_ += (bytes + 63) / 64 * 64;
    return offset;
  }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

// The product of a state with a matrix that is the same in every step: packed once a run.
class StepProduct {
 public:
  struct Matrix {
    int64_t rows, columns;
    int64_t row_stride;         // of the state or the result, in elements
    int64_t column_stride = 1;  // 1 but for the matrix that is packed
  };
  // result = state times matrix, or added to what lies there.
  StepProduct(const Context& context, const Matrix& state, const Matrix& matrix,
              int64_t result_stride, bool add, WorkspacePlan& workspace);

  void pack(const float* matrix, void* workspace) const;
  void run(const float* state, float* result) const;

 private:
  dnnl::stream stream_;
  dnnl::matmul product_;
  dnnl::reorder pack_;
  dnnl::memory state_, given_, packed_, result_, scratchpad_;
  size_t packed_offset_ = 0, scratchpad_offset_ = 0;
};

// A sequence operator's sizes and cell.
struct Sequence {
  int64_t steps = 0, rows = 0, hidden = 0, gates = 0;
  bool reverse = false;
  vector::RecurrentCell cell{};

  int64_t step(int64_t i) const { return reverse ? steps - 1 - i : i; }  // done as number i
  int64_t place(int64_t i) const { return step(i) * rows; }

  // Calls body(row, whether the row has this step) for all rows, over the team.
  template <typename Body>
  void for_rows(const int32_t* lengths, int64_t step, Body body) const {
    constexpr int64_t kCostOfGate = 8;
    parallel_ranges(rows, kCostOfGate * gates * hidden, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        body(row, lengths == nullptr || step < lengths[row]);
    });
  }
};

Sequence sequence_of(const KernelRequest& request, size_t sequence, size_t r);
// Why these kernels leave a request to the reference, or "".
std::string refusal_of_sequence(const KernelRequest& request);

// Arrays of a kernel's arguments, null where left out.
inline const float* floats_in(const KernelArgs& args, size_t i) {
  return i < args.inputs.size() ? static_cast<const float*>(args.inputs[i]) : nullptr;
}
inline const int32_t* lengths_in(const KernelArgs& args, size_t i) {
  return i < args.inputs.size() ? static_cast<const int32_t*>(args.inputs[i]) : nullptr;
}
inline float* floats_out(const KernelArgs& args, size_t i) {
  return static_cast<float*>(args.outputs[i]);
}
inline void copy_floats(const float* from, float* to, int64_t count) {
  if (from != to) std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}
inline void clear_floats(float* to, int64_t count) {
  std::memset(to, 0, static_cast<size_t>(count) * sizeof(float));
}
// `from` may be null: zeros.
inline void copy_or_clear(const float* from, float* to, int64_t count) {
  if (from == nullptr)
    clear_floats(to, count);
  else
    copy_floats(from, to, count);
}

}  // namespace headrace::cpu
