#pragma once

#include "graph/dtype.h"
#include "kernels/functors/floats.h"
#include "kernels/implementation.h"

namespace headrace::cuda {

using portable::BFloat16, portable::Float16, portable::from_f32, portable::to_f32;

// The types that this backend's float kernels store.
inline bool is_stored_float(DType dtype) { return dtype == DType::f32 || is_narrow_float(dtype); }

// f(T{}) with the type that stores `dtype`, one of f32, f16 and bf16; a refusal for all others.
template <typename F>
Prepared with_float_type(DType dtype, const F& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f16:
      return f(Float16{});
    case DType::bf16:
      return f(BFloat16{});
    default:
      return refuse("no kernel for {}", name_of(dtype));
  }
}

// f(T{}) with an unsigned integer of the dtype's size, for what only moves elements.
template <typename F>
Prepared with_size(DType dtype, const F& f) {
  switch (size_of(dtype)) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

// Elements of a small operand whose type is its own, f32, f16 or bf16: scales, statistics, losses.
// Null where the operand is left out.
struct FloatReader {
  const void* data = nullptr;
  DType dtype = DType::f32;

  HEADRACE_HOST_DEVICE explicit operator bool() const { return data != nullptr; }
  HEADRACE_HOST_DEVICE float operator[](int64_t i) const {
    if (dtype == DType::f16) return to_f32(static_cast<const Float16*>(data)[i]);
    if (dtype == DType::bf16) return to_f32(static_cast<const BFloat16*>(data)[i]);
    return static_cast<const float*>(data)[i];
  }
};
struct FloatWriter {
  void* data = nullptr;
  DType dtype = DType::f32;
  bool adds = false;  // to what lies there; not in f64

  HEADRACE_HOST_DEVICE explicit operator bool() const { return data != nullptr; }
  HEADRACE_HOST_DEVICE void set(int64_t i, double value) const {
    if (dtype == DType::f64) {
      static_cast<double*>(data)[i] = value;
      return;
    }
    if (adds) value += static_cast<double>(FloatReader{data, dtype}[i]);
    const auto rounded = static_cast<float>(value);
    if (dtype == DType::f16)
      static_cast<Float16*>(data)[i] = from_f32<Float16>(rounded);
    else if (dtype == DType::bf16)
      static_cast<BFloat16*>(data)[i] = from_f32<BFloat16>(rounded);
    else
      static_cast<float*>(data)[i] = rounded;
  }
};

// Class ids and indices: i64 or i32.
struct IndexReader {
  const void* data = nullptr;
  DType dtype = DType::i64;

  static bool can_read(DType dtype) { return dtype == DType::i64 || dtype == DType::i32; }
  HEADRACE_HOST_DEVICE int64_t operator[](int64_t i) const {
    return dtype == DType::i64 ? static_cast<const int64_t*>(data)[i]
                               : static_cast<const int32_t*>(data)[i];
  }
};

// The dtypes of a node's small operands, kept for each run.
struct Operands {
  std::vector<DType> inputs, outputs;
  std::vector<bool> adds;

  explicit Operands(const KernelRequest& request) : adds(request.accumulate) {
    for (const TensorType& type : request.input_types) inputs.push_back(type.dtype);
    for (const TensorType& type : request.output_types) outputs.push_back(type.dtype);
    adds.resize(outputs.size());
  }
  FloatReader in(const KernelArgs& args, size_t i) const {
    if (i >= args.inputs.size()) return {};
    return {args.inputs[i], inputs[i]};
  }
  FloatWriter out(const KernelArgs& args, size_t o) const {
    if (o >= args.outputs.size()) return {};
    return {args.outputs[o], outputs[o], adds[o]};
  }
};

}  // namespace headrace::cuda
