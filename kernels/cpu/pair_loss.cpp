#include <algorithm>

#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

using TotalLoop = double (*)(const float*, const float*, int64_t);
using EachLoop = void (*)(const float*, const float*, float*, int64_t);

// Losses between two tensors of one shape. Terms are summed in blocks of a fixed size, the blocks
// in order: the same bits for every team.
class PairLossKernel : public Kernel {
 public:
  PairLossKernel(TotalLoop total, int64_t count, bool mean)
      : total_(total), count_(count), mean_(mean) {}
  size_t workspace_bytes() const override { return static_cast<size_t>(blocks()) * sizeof(double); }

  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* target = static_cast<const float*>(args.inputs[1]);
    auto* parts = static_cast<double*>(args.workspace);
    parallel_ranges(blocks(), 8 * kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b * kBlock;
        parts[b] = total_(x + first, target + first, std::min(kBlock, count_ - first));
      }
    });
    double sum = 0;
    for (int64_t b = 0; b < blocks(); ++b) sum += parts[b];
    *static_cast<float*>(args.outputs[0]) =
        static_cast<float>(mean_ ? sum / static_cast<double>(count_) : sum);
  }

 private:
  static constexpr int64_t kBlock = 1 << 12;
  int64_t blocks() const { return (count_ + kBlock - 1) / kBlock; }

  TotalLoop total_;
  int64_t count_;
  bool mean_;
};

class EachLossKernel : public Kernel {
 public:
  EachLossKernel(EachLoop each, int64_t count) : each_(each), count_(count) {}
  int in_place_input(size_t) const override { return 0; }
  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    const auto* target = static_cast<const float*>(args.inputs[1]);
    auto* loss = static_cast<float*>(args.outputs[0]);
    parallel_ranges(
        count_, 8,
        [&](int64_t begin, int64_t end) {
          each_(x + begin, target + begin, loss + begin, end - begin);
        },
        16);
  }

 private:
  EachLoop each_;
  int64_t count_;
};

class PairLossGradientKernel : public Kernel {
 public:
  PairLossGradientKernel(vector::LossTable::PairGradient gradient, int64_t count, float scale,
                         bool reduced)
      : gradient_(gradient), count_(count), scale_(scale), reduced_(reduced) {}
  int in_place_input(size_t) const override { return 1; }
  void run(const KernelArgs& args) const override {
    const auto* dloss = static_cast<const float*>(args.inputs[0]);
    const auto* x = static_cast<const float*>(args.inputs[1]);
    const auto* target = static_cast<const float*>(args.inputs[2]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const int step = reduced_ ? 0 : 1;
    parallel_ranges(
        count_, 4,
        [&](int64_t begin, int64_t end) {
          gradient_(dloss + begin * step, step, scale_, x + begin, target + begin, dx + begin,
                    end - begin);
        },
        16);
  }

 private:
  vector::LossTable::PairGradient gradient_;
  int64_t count_;
  float scale_;
  bool reduced_;
};

struct Loops {
  TotalLoop total;
  EachLoop each;
  vector::LossTable::PairGradient gradient;
};
Loops loops_of(std::string_view op) {
  const vector::LossTable& t = *vector_table().loss;
  if (op.starts_with("MeanSquaredError")) {
    return {t.squared_error, t.squared_error_each, t.squared_error_gradient};
  }
  if (op.starts_with("BinaryCrossEntropyWithLogits")) {
    return {t.binary_cross_entropy_with_logits, t.binary_cross_entropy_with_logits_each,
            t.binary_cross_entropy_with_logits_gradient};
  }
  return {t.binary_cross_entropy, t.binary_cross_entropy_each, t.binary_cross_entropy_gradient};
}

std::string pair_loss_refusal(const KernelRequest& request) {
  for (const auto* types : {&request.input_types, &request.output_types}) {
    for (const TensorType& type : *types) {
      if (type.dtype != DType::f32) return "not f32";
    }
  }
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  if (request.input_types[1].elements() == 0) return "empty";
  return {};
}

}  // namespace

Prepared prepare_pair_loss(const Context&, const KernelRequest& request) {
  if (std::string why = pair_loss_refusal(request); !why.empty()) return refuse("{}", why);
  const std::string reduction(request.node->attributes.get_string("reduction", "mean"));
  const Loops loops = loops_of(request.node->op);
  const int64_t count = request.input_types[0].elements();
  if (reduction == "none") return std::make_unique<EachLossKernel>(loops.each, count);
  return std::make_unique<PairLossKernel>(loops.total, count, reduction == "mean");
}

Prepared prepare_pair_loss_gradient(const Context&, const KernelRequest& request) {
  if (std::string why = pair_loss_refusal(request); !why.empty()) return refuse("{}", why);
  const std::string reduction(request.node->attributes.get_string("reduction", "mean"));
  const int64_t count = request.output_types[0].elements();
  const double scale = reduction == "mean" ? 1 / static_cast<double>(count) : 1.0;
  return std::make_unique<PairLossGradientKernel>(loops_of(request.node->op).gradient, count,
                                                  static_cast<float>(scale), reduction != "none");
}

}  // namespace headrace::cpu
