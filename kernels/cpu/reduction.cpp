#include <algorithm>
#include <cstring>

#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

using vector::Reduction;

struct Dim {
  int64_t extent, stride;
  bool reduced;
};

// Neighbouring axes that are both kept or both reduced are one; axes of one element are none.
std::vector<Dim> merged_dims(const Shape& shape, const Shape& axes) {
  const Shape strides = row_major_strides(shape);
  std::vector<Dim> dims;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    const bool reduced = std::ranges::find(axes, static_cast<int64_t>(d)) != axes.end();
    if (!dims.empty() && dims.back().reduced == reduced) {
      dims.back().extent *= shape[d];
      dims.back().stride = strides[d];
    } else {
      dims.push_back({shape[d], strides[d], reduced});
    }
  }
  return dims;
}

// The offset of the n-th combination of some dims.
int64_t offset_of(int64_t n, const std::vector<Dim>& dims) {
  int64_t offset = 0;
  for (size_t d = dims.size(); d-- > 0; n /= dims[d].extent) {
    offset += n % dims[d].extent * dims[d].stride;
  }
  return offset;
}

// The innermost dims are what the vector loops take: a row that is reduced to one value, or rows
// that are reduced to one row. The outer ones are walked here, kept and reduced apart.
class ReductionKernel : public Kernel {
 public:
  ReductionKernel(Reduction id, std::vector<Dim> dims, float factor, bool accumulate)
      : loops_(*vector_table().reduction),
        id_(vector::index(id)),
        factor_(factor),
        accumulate_(accumulate) {
    by_row_ = dims.empty() || dims.back().reduced;
    if (!dims.empty()) {
      row_ = dims.back().extent;
      dims.pop_back();
    }
    if (!by_row_ && !dims.empty()) {
      rows_ = dims.back().extent;
      stride_ = dims.back().stride;
      dims.pop_back();
    }
    for (const Dim& dim : dims) {
      (dim.reduced ? reduced_ : kept_).push_back(dim);
      (dim.reduced ? reduced_count_ : kept_count_) *= dim.extent;
    }
    outputs_ = by_row_ ? kept_count_ : kept_count_ * row_;
  }

  size_t workspace_bytes() const override {
    // Accumulated results before they are added, and the columns' terms of one outer combination.
    return sizeof(float) *
           static_cast<size_t>((accumulate_ ? outputs_ : 0) + (needs_terms() ? outputs_ : 0));
  }

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    auto* workspace = static_cast<float*>(args.workspace);
    float* made = accumulate_ ? workspace : y;
    float* terms = workspace + (accumulate_ ? outputs_ : 0);
    if (by_row_) {
      reduce_rows(x, made);
    } else {
      reduce_columns(x, made, terms);
    }
    const auto& elementwise = *vector_table().elementwise;
    parallel_ranges(
        outputs_, 1,
        [&](int64_t begin, int64_t end) {
          if (accumulate_) {
            elementwise.blend(made + begin, y + begin, end - begin, factor_, 1);
          } else if (factor_ != 1) {
            elementwise
                .binary[vector::index(vector::Binary::mul)][vector::index(vector::Operands::left)](
                    y + begin, &factor_, y + begin, end - begin);
          }
        },
        16);
  }

 private:
  bool needs_terms() const { return !by_row_ && reduced_count_ > 1; }

  void reduce_rows(const float* x, float* y) const {
    parallel_ranges(kept_count_, reduced_count_ * row_, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const float* origin = x + offset_of(k, kept_);
        float result = loops_.row[id_](origin, row_);
        for (int64_t r = 1; r < reduced_count_; ++r) {
          const float term = loops_.row[id_](origin + offset_of(r, reduced_), row_);
          loops_.combine[id_](&term, &result, 1);
        }
        y[k] = result;
      }
    });
  }

  void reduce_columns(const float* x, float* y, float* terms) const {
    // Few wide results are cut by columns, many are dealt out.
    const int64_t cuts = kept_count_ == 1 ? (row_ + kColumns - 1) / kColumns : 1;
    parallel_ranges(
        kept_count_ * cuts, reduced_count_ * rows_ * row_ / cuts, [&](int64_t begin, int64_t end) {
          for (int64_t piece = begin; piece < end; ++piece) {
            const int64_t k = piece / cuts, first = piece % cuts * kColumns;
            const int64_t width = cuts == 1 ? row_ : std::min(kColumns, row_ - first);
            const float* origin = x + offset_of(k, kept_) + first;
            float* result = y + k * row_ + first;
            float* term = terms + k * row_ + first;
            loops_.column[id_](origin, rows_, stride_, result, width);
            for (int64_t r = 1; r < reduced_count_; ++r) {
              loops_.column[id_](origin + offset_of(r, reduced_), rows_, stride_, term, width);
              loops_.combine[id_](term, result, width);
            }
          }
        });
  }

  static constexpr int64_t kColumns = 256;

  const vector::ReductionTable& loops_;
  size_t id_;
  float factor_;
  bool accumulate_;
  bool by_row_ = true;
  int64_t row_ = 1, rows_ = 1, stride_ = 0;
  std::vector<Dim> kept_, reduced_;
  int64_t kept_count_ = 1, reduced_count_ = 1, outputs_ = 1;
};

// Blocks of a fixed size, added up in order: the same bits for every team.
class SquaredNormKernel : public Kernel {
 public:
  explicit SquaredNormKernel(int64_t count) : count_(count) {}
  size_t workspace_bytes() const override { return static_cast<size_t>(blocks()) * sizeof(double); }

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* parts = static_cast<double*>(args.workspace);
    parallel_ranges(blocks(), kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        parts[b] = vector_table().reduction->sum_of_squares(x + b * kBlock,
                                                            std::min(kBlock, count_ - b * kBlock));
      }
    });
    double sum = 0;
    for (int64_t b = 0; b < blocks(); ++b) sum += parts[b];
    *static_cast<double*>(args.outputs[0]) = sum;
  }

 private:
  static constexpr int64_t kBlock = 1 << 14;
  int64_t blocks() const { return (count_ + kBlock - 1) / kBlock; }

  int64_t count_;
};

}  // namespace

Prepared prepare_reduction(const Context&, const KernelRequest& request) {
  const Node& node = *request.node;
  const TensorType& x = request.input_types[0];
  if (x.dtype != DType::f32) return refuse("not f32");
  if (!all_row_major(request)) return refuse("reductions take row-major values");
  if (x.elements() == 0) return refuse("empty");
  const bool mean = node.op == "ReduceMean";
  const Reduction id = node.op == "ReduceMax"    ? Reduction::max
                       : node.op == "ReduceMin"  ? Reduction::min
                       : node.op == "ReduceProd" ? Reduction::prod
                                                 : Reduction::sum;
  const auto outputs = static_cast<double>(request.output_types[0].elements());
  const double factor = mean ? outputs / static_cast<double>(x.elements()) : 1.0;
  std::vector<Dim> dims = merged_dims(x.shape, node.attributes.get_ints("axes"));
  if (dims.size() == 1 && !dims[0].reduced) return refuse("nothing is reduced");
  return std::make_unique<ReductionKernel>(id, std::move(dims), static_cast<float>(factor),
                                           accumulates(request));
}

Prepared prepare_squared_norm(const Context&, const KernelRequest& request) {
  if (request.input_types[0].dtype != DType::f32) return refuse("not f32");
  if (accumulates(request)) return refuse("does not accumulate");
  return std::make_unique<SquaredNormKernel>(
      stored_elements(request.input_types[0], request.input_layouts[0]));
}

}  // namespace headrace::cpu
