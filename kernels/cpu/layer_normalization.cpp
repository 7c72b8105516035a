#include <omp.h>

#include <algorithm>

#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

struct Rows {
  int64_t count = 1, length = 1;
};
Rows rows_of(const Shape& shape, int64_t axis) {
  Rows rows;
  for (size_t d = 0; d < shape.size(); ++d) {
    (static_cast<int64_t>(d) < axis ? rows.count : rows.length) *= shape[d];
  }
  return rows;
}

std::string layer_normalization_refusal(const KernelRequest& request) {
  for (const auto* types : {&request.input_types, &request.output_types}) {
    for (const TensorType& type : *types) {
      if (type.dtype != DType::f32) return "not f32";
    }
  }
  if (!all_row_major(request)) return "takes row-major values";
  if (request.input_types[0].elements() == 0) return "empty";
  return {};
}

class LayerNormalizationKernel : public Kernel {
 public:
  LayerNormalizationKernel(Rows rows, double epsilon)
      : rows_(rows), epsilon_(static_cast<float>(epsilon)) {}

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* scale = static_cast<const float*>(args.inputs[1]);
    const auto* bias = args.inputs.size() > 2 ? static_cast<const float*>(args.inputs[2]) : nullptr;
    auto* y = static_cast<float*>(args.outputs[0]);
    const auto statistic = [&](size_t i, int64_t row) -> float* {
      auto* data = i < args.outputs.size() ? static_cast<float*>(args.outputs[i]) : nullptr;
      return data ? data + row : nullptr;
    };
    const int64_t n = rows_.length;
    parallel_ranges(rows_.count, 2 * n, [&](int64_t begin, int64_t end) {
      vector_table().normalization->layer_norm(x + begin * n, scale, bias, y + begin * n,
                                               statistic(1, begin), statistic(2, begin),
                                               end - begin, n, epsilon_);
    });
  }

 private:
  Rows rows_;
  float epsilon_;
};

// Sums for the scale and bias are made apart for blocks of rows, a fixed number of rows each, and
// then added in order: the same bits for every team.
class LayerNormalizationGradientKernel : public Kernel {
 public:
  LayerNormalizationGradientKernel(Rows rows, bool accumulates_scale, bool accumulates_bias)
      : rows_(rows),
        rows_per_block_(std::max<int64_t>(kRows, (rows.count + kMostBlocks - 1) / kMostBlocks)),
        accumulates_{accumulates_scale, accumulates_bias} {}

  size_t workspace_bytes() const override {
    return static_cast<size_t>(2 * blocks() * rows_.length) * sizeof(float);
  }
  int in_place_input(size_t output) const override { return output == 0 ? 0 : -1; }

  void run(const KernelArgs& args) const override {
    const auto* dy = static_cast<const float*>(args.inputs[0]);
    const auto* x = static_cast<const float*>(args.inputs[1]);
    const auto* scale = static_cast<const float*>(args.inputs[2]);
    const auto* mean = static_cast<const float*>(args.inputs[3]);
    const auto* inv_std = static_cast<const float*>(args.inputs[4]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const int64_t n = rows_.length;
    auto* dscale = static_cast<float*>(args.workspace);
    float* dbias = dscale + blocks() * n;
    parallel_ranges(blocks(), 3 * n * rows_per_block_, [&](int64_t begin, int64_t end) {
      std::fill_n(dscale + begin * n, (end - begin) * n, 0.0f);
      std::fill_n(dbias + begin * n, (end - begin) * n, 0.0f);
      for (int64_t b = begin; b < end; ++b) {
        const int64_t row = b * rows_per_block_;
        const int64_t count = std::min(rows_per_block_, rows_.count - row);
        vector_table().normalization->layer_norm_gradient(dy + row * n, x + row * n, scale,
                                                          mean + row, inv_std + row, dx + row * n,
                                                          dscale + b * n, dbias + b * n, count, n);
      }
    });
    add_up(dscale, args, 1);
    add_up(dbias, args, 2);
  }

 private:
  static constexpr int64_t kRows = 64, kMostBlocks = 64;
  int64_t blocks() const { return (rows_.count + rows_per_block_ - 1) / rows_per_block_; }

  void add_up(const float* parts, const KernelArgs& args, size_t output) const {
    auto* y = output < args.outputs.size() ? static_cast<float*>(args.outputs[output]) : nullptr;
    if (y == nullptr) return;
    const int64_t n = rows_.length;
    int64_t first = 0;
    if (!accumulates_[output - 1]) {
      std::copy_n(parts, n, y);
      first = 1;
    }
    for (int64_t b = first; b < blocks(); ++b) {
      vector_table().elementwise->add_to(parts + b * n, y, n);
    }
  }

  Rows rows_;
  int64_t rows_per_block_;
  bool accumulates_[2];
};

}  // namespace

Prepared prepare_layer_normalization(const Context&, const KernelRequest& request) {
  if (std::string why = layer_normalization_refusal(request); !why.empty())
    return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  const Attributes& a = request.node->attributes;
  return std::make_unique<LayerNormalizationKernel>(
      rows_of(request.input_types[0].shape, a.get_int("axis")), a.get_float("epsilon", 1e-5));
}

Prepared prepare_layer_normalization_gradient(const Context&, const KernelRequest& request) {
  if (std::string why = layer_normalization_refusal(request); !why.empty())
    return refuse("{}", why);
  if (!has_output(request, 0)) return refuse("the input's gradient left out");
  if (accumulates(request, 0)) return refuse("does not accumulate the input's gradient");
  return std::make_unique<LayerNormalizationGradientKernel>(
      rows_of(request.input_types[1].shape, request.node->attributes.get_int("axis")),
      accumulates(request, 1), accumulates(request, 2));
}

}  // namespace headrace::cpu
