#include <algorithm>
#include <cstring>

#include "kernels/cpu/families.h"
#include "kernels/cpu/integers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

// Seen around the gathered axis of x: rows of `inner` elements, `length` of them in each of `outer`
// blocks, of which `positions` are taken.
struct Gathering {
  int64_t outer = 1, length = 0, inner = 1, positions = 0;
  DType index_dtype = DType::i64;

  // Negative indices count from the end.
  int64_t row(const Integers& indices, int64_t position) const {
    const int64_t index = indices[position];
    if (index < -length || index >= length) {
      throw Error("Gather: index {} is outside an axis of {}", index, length);
    }
    return index < 0 ? index + length : index;
  }
};

Gathering gathering_of(const KernelRequest& request, const Shape& x) {
  Gathering g;
  const auto axis = static_cast<size_t>(request.node->attributes.get_int("axis"));
  for (size_t d = 0; d < axis; ++d) g.outer *= x[d];
  g.length = x[axis];
  for (size_t d = axis + 1; d < x.size(); ++d) g.inner *= x[d];
  g.positions = request.input_types[1].elements();
  g.index_dtype = request.input_types[1].dtype;
  return g;
}

class GatherKernel : public Kernel {
 public:
  GatherKernel(Gathering g, size_t element_bytes)
      : g_(g), row_bytes_(static_cast<size_t>(g.inner) * element_bytes) {}

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const std::byte*>(args.inputs[0]);
    auto* y = static_cast<std::byte*>(args.outputs[0]);
    const Integers indices(args.inputs[1], g_.index_dtype);
    for (int64_t p = 0; p < g_.positions; ++p) g_.row(indices, p);  // throws before the team starts
    parallel_ranges(g_.outer * g_.positions, g_.inner, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const int64_t from = n / g_.positions * g_.length + g_.row(indices, n % g_.positions);
        std::memcpy(y + static_cast<size_t>(n) * row_bytes_,
                    x + static_cast<size_t>(from) * row_bytes_, row_bytes_);
      }
    });
  }

 private:
  Gathering g_;
  size_t row_bytes_;
};

// Each thread owns a range of dx's rows and goes through all positions, so that repeated indices
// add in ascending order of position whatever the team.
class GatherGradientKernel : public Kernel {
 public:
  GatherGradientKernel(Gathering g, bool accumulate) : g_(g), accumulate_(accumulate) {}

  void run(const KernelArgs& args) const override {
    const auto* dy = static_cast<const float*>(args.inputs[0]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const Integers indices(args.inputs[1], g_.index_dtype);
    for (int64_t p = 0; p < g_.positions; ++p) g_.row(indices, p);
    const auto add_to = vector_table().elementwise->add_to;
    parallel_ranges(g_.outer * g_.length, g_.inner, [&](int64_t begin, int64_t end) {
      if (!accumulate_) std::fill_n(dx + begin * g_.inner, (end - begin) * g_.inner, 0.0f);
      for (int64_t o = begin / g_.length; o * g_.length < end; ++o) {
        for (int64_t p = 0; p < g_.positions; ++p) {
          const int64_t row = o * g_.length + g_.row(indices, p);
          if (row < begin || row >= end) continue;
          add_to(dy + (o * g_.positions + p) * g_.inner, dx + row * g_.inner, g_.inner);
        }
      }
    });
  }

 private:
  Gathering g_;
  bool accumulate_;
};

}  // namespace

Prepared prepare_gather(const Context&, const KernelRequest& request) {
  if (!all_row_major(request)) return refuse("takes row-major values");
  if (accumulates(request)) return refuse("does not accumulate");
  if (!Integers::can_read(request.input_types[1].dtype)) return refuse("indices are no integers");
  if (request.output_types[0].elements() == 0) return refuse("empty");
  return std::make_unique<GatherKernel>(gathering_of(request, request.input_types[0].shape),
                                        size_of(request.output_types[0].dtype));
}

Prepared prepare_gather_gradient(const Context&, const KernelRequest& request) {
  if (!all_row_major(request)) return refuse("takes row-major values");
  if (request.output_types[0].dtype != DType::f32) return refuse("not f32");
  if (!Integers::can_read(request.input_types[1].dtype)) return refuse("indices are no integers");
  if (request.output_types[0].elements() == 0) return refuse("empty");
  return std::make_unique<GatherGradientKernel>(
      gathering_of(request, request.output_types[0].shape), accumulates(request));
}

}  // namespace headrace::cpu
