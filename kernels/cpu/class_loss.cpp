#include <algorithm>
#include <limits>
#include <optional>

#include "kernels/cpu/families.h"
#include "kernels/cpu/integers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

// Losses over class ids with the classes innermost: a row of scores belongs to each target.
struct Classes {
  int64_t rows = 0, count = 0;
  DType target_dtype = DType::i64;
  bool mean = true, reduced = true;
  std::optional<int64_t> ignored;

  bool counts(int64_t target) const {
    if (ignored && target == *ignored) return false;
    if (target < 0 || target >= count) {
      throw Error("a target is class {}, the scores have classes 0 to {}", target, count - 1);
    }
    return true;
  }
};

// What a row's loss and gradient are multiplied by; 0 where its target does not count.
void fill_shares(const Classes& classes, const Integers& target, const float* class_weight,
                 float* shares) {
  double total = 0;
  for (int64_t r = 0; r < classes.rows; ++r) {
    const int64_t t = target[r];
    shares[r] = !classes.counts(t) ? 0.0f : class_weight != nullptr ? class_weight[t] : 1.0f;
    total += static_cast<double>(shares[r]);
  }
  if (!classes.mean) return;
  // Where no target counts, the loss and its gradient are 0.
  const double share = total != 0 ? 1 / total : 0;
  for (int64_t r = 0; r < classes.rows; ++r) {
    shares[r] = static_cast<float>(static_cast<double>(shares[r]) * share);
  }
}

const float* floats(const KernelArgs& args, size_t i) {
  return i < args.inputs.size() ? static_cast<const float*>(args.inputs[i]) : nullptr;
}

// logits, target, [class_weight] -> loss, lse; and NegativeLogLikelihood, where log_prob is given.
class ClassLossKernel : public Kernel {
 public:
  ClassLossKernel(Classes classes, bool normalizes) : classes_(classes), normalizes_(normalizes) {}

  size_t workspace_bytes() const override {
    return static_cast<size_t>(classes_.rows) * (sizeof(double) + sizeof(float));
  }

  void run(const KernelArgs& args) const override {
    const float* x = floats(args, 0);
    const Integers target(args.inputs[1], classes_.target_dtype);
    auto* terms = static_cast<double*>(args.workspace);
    auto* shares = reinterpret_cast<float*>(terms + classes_.rows);
    auto* lse = args.outputs.size() > 1 ? static_cast<float*>(args.outputs[1]) : nullptr;
    fill_shares(classes_, target, floats(args, 2), shares);
    const int64_t n = classes_.count;
    parallel_ranges(classes_.rows, normalizes_ ? 2 * n : 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* row = x + r * n;
        const float normalizer = normalizes_ ? vector_table().softmax->log_sum_exp(row, n) : 0.0f;
        if (lse != nullptr) lse[r] = normalizer;
        terms[r] = shares[r] == 0 ? 0
                                  : static_cast<double>(shares[r]) *
                                        (static_cast<double>(normalizer) - row[target[r]]);
      }
    });
    auto* loss = static_cast<float*>(args.outputs[0]);
    if (!classes_.reduced) {
      for (int64_t r = 0; r < classes_.rows; ++r) loss[r] = static_cast<float>(terms[r]);
      return;
    }
    double sum = 0;
    for (int64_t r = 0; r < classes_.rows; ++r) sum += terms[r];
    *loss = static_cast<float>(sum);
  }

 private:
  Classes classes_;
  bool normalizes_;
};

// dloss, logits, target, [class_weight], lse -> dlogits = share dloss (softmax - one_hot), in one
// pass; dloss, log_prob, target, [class_weight] -> -share dloss one_hot.
class ClassLossGradientKernel : public Kernel {
 public:
  ClassLossGradientKernel(Classes classes, bool normalizes)
      : classes_(classes), normalizes_(normalizes) {}

  size_t workspace_bytes() const override {
    return static_cast<size_t>(classes_.rows) * sizeof(float);
  }
  int in_place_input(size_t) const override { return 1; }

  void run(const KernelArgs& args) const override {
    const float *dloss = floats(args, 0), *x = floats(args, 1), *lse = floats(args, 4);
    const Integers target(args.inputs[2], classes_.target_dtype);
    auto* shares = static_cast<float*>(args.workspace);
    auto* dx = static_cast<float*>(args.outputs[0]);
    fill_shares(classes_, target, floats(args, 3), shares);
    const int64_t n = classes_.count;
    parallel_ranges(classes_.rows, 2 * n, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float share = shares[r] * dloss[classes_.reduced ? 0 : r];
        float* row = dx + r * n;
        if (normalizes_ && shares[r] != 0) {
          vector_table().softmax->scaled_softmax(x + r * n, lse[r], share, row, n);
        } else {
          std::fill_n(row, n, 0.0f);
        }
        if (shares[r] != 0) row[target[r]] -= share;
      }
    });
  }

 private:
  Classes classes_;
  bool normalizes_;
};

class CorrectCountKernel : public Kernel {
 public:
  explicit CorrectCountKernel(Classes classes) : classes_(classes) {}
  size_t workspace_bytes() const override { return static_cast<size_t>(classes_.rows); }

  void run(const KernelArgs& args) const override {
    const float* x = floats(args, 0);
    const Integers target(args.inputs[1], classes_.target_dtype);
    auto* correct = static_cast<uint8_t*>(args.workspace);
    const int64_t n = classes_.count;
    const auto highest = vector_table().reduction->row[vector::index(vector::Reduction::max)];
    parallel_ranges(classes_.rows, n, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* row = x + r * n;
        const int64_t t = target[r];
        correct[r] = 0;
        if (!classes_.counts(t)) continue;
        // The first of equals counts: none of those before the target may reach its score.
        correct[r] = row[t] >= highest(row, n) && (t == 0 || highest(row, t) < row[t]);
      }
    });
    float count = 0;
    for (int64_t r = 0; r < classes_.rows; ++r) count += correct[r];
    *static_cast<float*>(args.outputs[0]) = count;
  }

 private:
  Classes classes_;
};

struct Request {
  Classes classes;
  std::string refusal;
};
Request classes_of(const KernelRequest& request, size_t scores) {
  const Attributes& a = request.node->attributes;
  const TensorType& x = request.input_types[scores];
  const TensorType& target = request.input_types[scores + 1];
  Request result;
  Classes& c = result.classes;
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    if (i != scores + 1 && request.input_types[i].dtype != DType::f32) result.refusal = "not f32";
  }
  for (const TensorType& type : request.output_types) {
    if (type.dtype != DType::f32) result.refusal = "not f32";
  }
  if (!Integers::can_read(target.dtype)) result.refusal = "targets are no integers";
  if (!all_row_major(request)) result.refusal = "takes row-major values";
  if (accumulates(request)) result.refusal = "does not accumulate";
  const auto axis = static_cast<size_t>(a.get_int("axis", 1));
  c.count = x.shape[axis];
  c.rows = c.count > 0 ? x.elements() / c.count : 0;
  int64_t inner = 1;
  for (size_t d = axis + 1; d < x.shape.size(); ++d) inner *= x.shape[d];
  if (inner != 1) result.refusal = "classes are not innermost";
  if (c.rows == 0) result.refusal = "empty";
  const std::string reduction(a.get_string("reduction", "mean"));
  c.target_dtype = target.dtype;
  c.mean = reduction == "mean";
  c.reduced = reduction != "none";
  if (a.has("ignore_index")) c.ignored = a.get_int("ignore_index");
  return result;
}

}  // namespace

Prepared prepare_class_loss(const Context&, const KernelRequest& request) {
  const Request r = classes_of(request, 0);
  if (!r.refusal.empty()) return refuse("{}", r.refusal);
  return std::make_unique<ClassLossKernel>(r.classes, request.node->op == "SoftmaxCrossEntropy");
}

Prepared prepare_class_loss_gradient(const Context&, const KernelRequest& request) {
  const Request r = classes_of(request, 1);
  if (!r.refusal.empty()) return refuse("{}", r.refusal);
  return std::make_unique<ClassLossGradientKernel>(r.classes,
                                                   request.node->op == "SoftmaxCrossEntropyGrad");
}

Prepared prepare_correct_count(const Context&, const KernelRequest& request) {
  const Request r = classes_of(request, 0);
  if (!r.refusal.empty()) return refuse("{}", r.refusal);
  return std::make_unique<CorrectCountKernel>(r.classes);
}

}  // namespace headrace::cpu
