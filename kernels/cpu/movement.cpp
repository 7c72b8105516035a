#include <algorithm>
#include <cstring>

#include "kernels/cpu/broadcast.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/strided_copy.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

// Two axes change places among others: the last of the output and the last of the input.
class TransposeKernel : public Kernel {
 public:
  struct Plane {
    int64_t rows, x_stride;     // along the output's last axis
    int64_t columns, y_stride;  // along the input's last axis
  };
  TransposeKernel(Broadcast nest, Plane plane) : nest_(std::move(nest)), plane_(plane) {}

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const uint32_t*>(args.inputs[0]);
    auto* y = static_cast<uint32_t*>(args.outputs[0]);
    const auto transpose = vector_table().movement->transpose;
    const int64_t n = nest_.row_length();
    parallel_ranges(nest_.rows(), n * plane_.rows * plane_.columns,
                    [&](int64_t begin, int64_t end) {
                      nest_.for_rows(begin, end, [&](int64_t, const auto& offsets) {
                        for (int64_t k = 0; k < n; ++k) {
                          transpose(x + offsets[0] + k * nest_.row_stride(0), plane_.x_stride,
                                    y + offsets[1] + k * nest_.row_stride(1), plane_.y_stride,
                                    plane_.rows, plane_.columns);
                        }
                      });
                    });
  }

 private:
  Broadcast nest_;
  Plane plane_;
};

// The parts of a tensor along one axis, in bytes: each of `outer` lines holds a stretch of every
// part.
struct Parts {
  int64_t outer = 1;
  size_t whole = 0;
  std::vector<size_t> bytes;
};
Parts parts_of(const std::vector<TensorType>& types, int64_t axis) {
  Parts parts;
  for (int64_t d = 0; d < axis; ++d) parts.outer *= types[0].shape[static_cast<size_t>(d)];
  for (const TensorType& type : types) {
    size_t bytes = size_of(type.dtype);
    for (size_t d = static_cast<size_t>(axis); d < type.shape.size(); ++d) {
      bytes *= static_cast<size_t>(type.shape[d]);
    }
    parts.bytes.push_back(bytes);
    parts.whole += bytes;
  }
  return parts;
}

class ConcatKernel : public Kernel {
 public:
  explicit ConcatKernel(Parts parts) : parts_(std::move(parts)) {}
  void run(const KernelArgs& args) const override {
    auto* y = static_cast<std::byte*>(args.outputs[0]);
    parallel_ranges(parts_.outer, static_cast<int64_t>(parts_.whole / sizeof(float)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t line = begin; line < end; ++line) {
                        std::byte* to = y + static_cast<size_t>(line) * parts_.whole;
                        for (size_t i = 0; i < parts_.bytes.size(); to += parts_.bytes[i++]) {
                          if (parts_.bytes[i] == 0) continue;
                          const auto* x = static_cast<const std::byte*>(args.inputs[i]);
                          std::memcpy(to, x + static_cast<size_t>(line) * parts_.bytes[i],
                                      parts_.bytes[i]);
                        }
                      }
                    });
  }

 private:
  Parts parts_;
};

class SplitKernel : public Kernel {
 public:
  explicit SplitKernel(Parts parts) : parts_(std::move(parts)) {}
  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const std::byte*>(args.inputs[0]);
    parallel_ranges(parts_.outer, static_cast<int64_t>(parts_.whole / sizeof(float)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t line = begin; line < end; ++line) {
                        const std::byte* from = x + static_cast<size_t>(line) * parts_.whole;
                        for (size_t i = 0; i < parts_.bytes.size(); from += parts_.bytes[i++]) {
                          auto* y = static_cast<std::byte*>(args.outputs[i]);
                          if (y == nullptr || parts_.bytes[i] == 0) continue;
                          std::memcpy(y + static_cast<size_t>(line) * parts_.bytes[i], from,
                                      parts_.bytes[i]);
                        }
                      }
                    });
  }

 private:
  Parts parts_;
};

std::string movement_refusal(const KernelRequest& request) {
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  for (size_t i = 0; i < request.output_types.size(); ++i) {
    if (has_output(request, i) && request.output_types[i].elements() == 0) return "empty";
  }
  return {};
}

// The loop nest of a slice: `whole_strides` and `whole_base` address the tensor that is cut.
struct SliceNest {
  Shape whole_strides;
  int64_t whole_base = 0;
};
SliceNest slice_nest(const Attributes& a, const Shape& whole) {
  const auto &starts = a.get_ints("starts"), &steps = a.get_ints("steps");
  SliceNest nest{row_major_strides(whole)};
  for (size_t d = 0; d < whole.size(); ++d) {
    nest.whole_base += starts[d] * nest.whole_strides[d];
    nest.whole_strides[d] *= steps[d];
  }
  return nest;
}

}  // namespace

Prepared prepare_transpose(const Context&, const KernelRequest& request) {
  if (std::string why = movement_refusal(request); !why.empty()) return refuse("{}", why);
  const Shape& out = request.output_types[0].shape;
  const Shape in_strides = row_major_strides(request.input_types[0].shape);
  StridedCopy copy{out, {}, row_major_strides(out)};
  for (int64_t axis : request.node->attributes.get_ints("perm")) {
    copy.x_strides.push_back(in_strides[static_cast<size_t>(axis)]);
  }
  // The last axis of more than one element in the output, and where the input's last one went.
  size_t last = out.size(), moved = out.size();
  for (size_t d = 0; d < out.size(); ++d) {
    if (out[d] == 1) continue;
    last = d;
    if (copy.x_strides[d] == 1) moved = d;
  }
  const DType dtype = request.output_types[0].dtype;
  if (last == out.size() || moved == last || size_of(dtype) != sizeof(uint32_t)) {
    return make_strided_copy(dtype, copy);
  }
  if (moved == out.size()) return refuse("no axis is innermost");
  const TransposeKernel::Plane plane{out[last], copy.x_strides[last], out[moved],
                                     copy.y_strides[moved]};
  copy.shape[last] = copy.shape[moved] = 1;
  return std::make_unique<TransposeKernel>(
      Broadcast::from_strides(copy.shape, std::array{copy.x_strides, copy.y_strides}), plane);
}

Prepared prepare_expand(const Context&, const KernelRequest& request) {
  if (std::string why = movement_refusal(request); !why.empty()) return refuse("{}", why);
  const Shape &in = request.input_types[0].shape, &out = request.output_types[0].shape;
  const Shape strides = row_major_strides(in);
  StridedCopy copy{out, Shape(out.size(), 0), row_major_strides(out)};
  const size_t missing = out.size() - in.size();
  for (size_t d = 0; d < in.size(); ++d) {
    if (in[d] != 1) copy.x_strides[missing + d] = strides[d];
  }
  return make_strided_copy(request.output_types[0].dtype, copy);
}

Prepared prepare_slice(const Context&, const KernelRequest& request) {
  if (std::string why = movement_refusal(request); !why.empty()) return refuse("{}", why);
  const Shape& out = request.output_types[0].shape;
  const SliceNest nest = slice_nest(request.node->attributes, request.input_types[0].shape);
  return make_strided_copy(request.output_types[0].dtype,
                           {out, nest.whole_strides, row_major_strides(out), nest.whole_base});
}

Prepared prepare_slice_gradient(const Context&, const KernelRequest& request) {
  if (std::string why = movement_refusal(request); !why.empty()) return refuse("{}", why);
  const TensorType &dy = request.input_types[0], &dx = request.output_types[0];
  if (dy.elements() == 0) return refuse("empty");
  const SliceNest nest = slice_nest(request.node->attributes, dx.shape);
  return make_strided_copy(dx.dtype, {dy.shape, row_major_strides(dy.shape), nest.whole_strides, 0,
                                      nest.whole_base, dx.elements()});
}

Prepared prepare_concat(const Context&, const KernelRequest& request) {
  if (std::string why = movement_refusal(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<ConcatKernel>(
      parts_of(request.input_types, request.node->attributes.get_int("axis")));
}

Prepared prepare_split(const Context&, const KernelRequest& request) {
  if (std::string why = movement_refusal(request); !why.empty()) return refuse("{}", why);
  for (size_t i = 0; i < request.output_types.size(); ++i) {
    if (!has_output(request, i)) return refuse("a part left out");
  }
  return std::make_unique<SplitKernel>(
      parts_of(request.output_types, request.node->attributes.get_int("axis")));
}

}  // namespace headrace::cpu
