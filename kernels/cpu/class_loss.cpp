#include <algorithm>
#include <optional>

#include "kernels/cpu/families.h"
#include "kernels/cpu/integers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

// Losses over class ids. Line l of the scores belongs to target l; its classes stand `inner`
// elements apart: neighbours where the class axis is the last one.
struct Classes {
  int64_t lines = 0, count = 0, inner = 1;
  DType target_dtype = DType::i64;
  bool mean = true, reduced = true;
  std::optional<int64_t> ignored;

  int64_t at(int64_t line, int64_t label) const {
    return (line / inner * count + label) * inner + line % inner;
  }
  bool counts(int64_t target) const {
    if (ignored && target == *ignored) return false;
    if (target < 0 || target >= count) {
      throw Error("a target is class {}, the scores have classes 0 to {}", target, count - 1);
    }
    return true;
  }
};

// What a line's loss and gradient are multiplied by; 0 where its target does not count.
void fill_shares(const Classes& classes, const Integers& target, const float* class_weight,
                 float* shares) {
  double total = 0;
  for (int64_t l = 0; l < classes.lines; ++l) {
    const int64_t t = target[l];
    shares[l] = !classes.counts(t) ? 0.0f : class_weight != nullptr ? class_weight[t] : 1.0f;
    total += static_cast<double>(shares[l]);
  }
  if (!classes.mean) return;
  // Where no target counts, the loss and its gradient are 0.
  const double share = total != 0 ? 1 / total : 0;
  for (int64_t l = 0; l < classes.lines; ++l) {
    shares[l] = static_cast<float>(static_cast<double>(shares[l]) * share);
  }
}

// Calls body(first line, lines) for stretches of lines that one call of a vector loop takes: all
// lines of a thread where classes are neighbours, else up to kColumns that lie side by side.
template <typename Body>
void for_stretches(const Classes& classes, Body body) {
  constexpr int64_t kColumns = 256;
  if (classes.inner == 1) {
    parallel_ranges(classes.lines, 2 * classes.count,
                    [&](int64_t begin, int64_t end) { body(begin, end - begin); });
    return;
  }
  const int64_t cuts = (classes.inner + kColumns - 1) / kColumns;
  const int64_t pieces = classes.lines / classes.inner * cuts;
  parallel_ranges(pieces, 2 * classes.count * std::min(kColumns, classes.inner),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t piece = begin; piece < end; ++piece) {
                      const int64_t column = piece % cuts * kColumns;
                      body(piece / cuts * classes.inner + column,
                           std::min(kColumns, classes.inner - column));
                    }
                  });
}

const float* floats(const KernelArgs& args, size_t i) {
  return i < args.inputs.size() ? static_cast<const float*>(args.inputs[i]) : nullptr;
}

// logits, target, [class_weight] -> loss, largest, log_sum; and NegativeLogLikelihood, where
// log_prob is given.
class ClassLossKernel : public Kernel {
 public:
  ClassLossKernel(Classes classes, bool normalizes) : classes_(classes), normalizes_(normalizes) {}

  size_t workspace_bytes() const override {
    return static_cast<size_t>(classes_.lines) * 3 * sizeof(float);
  }

  void run(const KernelArgs& args) const override {
    const float* x = floats(args, 0);
    const Integers target(args.inputs[1], classes_.target_dtype);
    auto* shares = static_cast<float*>(args.workspace);
    float* largest = output_or(args, 1, shares + classes_.lines);
    float* log_sum = output_or(args, 2, shares + 2 * classes_.lines);
    fill_shares(classes_, target, floats(args, 2), shares);
    if (normalizes_) normalize(x, largest, log_sum);
    auto* loss = static_cast<float*>(args.outputs[0]);
    double sum = 0;
    for (int64_t l = 0; l < classes_.lines; ++l) {
      double term = 0;
      if (shares[l] != 0) {
        const double score = x[classes_.at(l, target[l])];
        term = static_cast<double>(shares[l]) *
               (normalizes_ ? (largest[l] - score) + log_sum[l] : -score);
      }
      if (!classes_.reduced) loss[l] = static_cast<float>(term);
      sum += term;
    }
    if (classes_.reduced) *loss = static_cast<float>(sum);
  }

 private:
  static float* output_or(const KernelArgs& args, size_t i, float* scratch) {
    const bool given = i < args.outputs.size() && args.outputs[i] != nullptr;
    return given ? static_cast<float*>(args.outputs[i]) : scratch;
  }

  void normalize(const float* x, float* largest, float* log_sum) const {
    const vector::SoftmaxTable& loops = *vector_table().softmax;
    for_stretches(classes_, [&](int64_t first, int64_t lines) {
      if (classes_.inner > 1) {
        loops.column_log_sum_exp(x + classes_.at(first, 0), classes_.count, classes_.inner,
                                 largest + first, log_sum + first, lines);
        return;
      }
      for (int64_t l = first; l < first + lines; ++l) {
        const auto lse = loops.log_sum_exp(x + l * classes_.count, classes_.count);
        largest[l] = lse.largest;
        log_sum[l] = lse.log_sum;
      }
    });
  }

  Classes classes_;
  bool normalizes_;
};

// dloss, logits, target, [class_weight], largest, log_sum -> dlogits = share dloss (softmax -
// one_hot), in one pass; dloss, log_prob, target, [class_weight] -> -share dloss one_hot.
class ClassLossGradientKernel : public Kernel {
 public:
  ClassLossGradientKernel(Classes classes, bool normalizes)
      : classes_(classes), normalizes_(normalizes) {}

  size_t workspace_bytes() const override {
    return static_cast<size_t>(classes_.lines) * sizeof(float);
  }
  int in_place_input(size_t) const override { return 1; }

  void run(const KernelArgs& args) const override {
    const float *dloss = floats(args, 0), *x = floats(args, 1);
    const float *largest = floats(args, 4), *log_sum = floats(args, 5);
    const Integers target(args.inputs[2], classes_.target_dtype);
    auto* shares = static_cast<float*>(args.workspace);
    auto* dx = static_cast<float*>(args.outputs[0]);
    fill_shares(classes_, target, floats(args, 3), shares);
    for (int64_t l = 0; l < classes_.lines; ++l) shares[l] *= dloss[classes_.reduced ? 0 : l];
    const int64_t n = classes_.count;
    const vector::SoftmaxTable& loops = *vector_table().softmax;
    for_stretches(classes_, [&](int64_t first, int64_t lines) {
      const int64_t start = classes_.at(first, 0);
      if (classes_.inner > 1) {
        if (normalizes_) {
          loops.column_scaled_softmax(x + start, largest + first, log_sum + first, shares + first,
                                      dx + start, n, classes_.inner, lines);
        } else {
          for (int64_t k = 0; k < n; ++k) std::fill_n(dx + start + k * classes_.inner, lines, 0.0f);
        }
      }
      for (int64_t l = first; l < first + lines; ++l) {
        if (classes_.inner == 1 && normalizes_ && shares[l] != 0) {
          loops.scaled_softmax(x + l * n, {largest[l], log_sum[l]}, shares[l], dx + l * n, n);
        } else if (classes_.inner == 1) {
          std::fill_n(dx + l * n, n, 0.0f);
        }
        if (shares[l] != 0) dx[classes_.at(l, target[l])] -= shares[l];
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
  size_t workspace_bytes() const override { return static_cast<size_t>(classes_.lines); }

  void run(const KernelArgs& args) const override {
    const float* x = floats(args, 0);
    const Integers target(args.inputs[1], classes_.target_dtype);
    auto* correct = static_cast<uint8_t*>(args.workspace);
    for (int64_t l = 0; l < classes_.lines; ++l) correct[l] = classes_.counts(target[l]);
    const int64_t n = classes_.count;
    const auto highest = vector_table().reduction->row[vector::index(vector::Reduction::max)];
    parallel_ranges(classes_.lines, n, [&](int64_t begin, int64_t end) {
      for (int64_t l = begin; l < end; ++l) {
        if (!correct[l]) continue;
        const float* row = x + l * n;
        const int64_t t = target[l];
        // The first of equals counts: none of those before the target may reach its score.
        correct[l] = row[t] >= highest(row, n) && (t == 0 || highest(row, t) < row[t]);
      }
    });
    float count = 0;
    for (int64_t l = 0; l < classes_.lines; ++l) count += correct[l];
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
  c.lines = c.count > 0 ? x.elements() / c.count : 0;
  for (size_t d = axis + 1; d < x.shape.size(); ++d) c.inner *= x.shape[d];
  if (c.lines == 0) result.refusal = "empty";
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
  if (r.classes.inner != 1) return refuse("classes are not innermost");
  return std::make_unique<CorrectCountKernel>(r.classes);
}

}  // namespace headrace::cpu
