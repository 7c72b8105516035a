#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// What the losses over class ids share. Line l of the scores belongs to target l; its classes stand
// `inner` elements apart from `first(l)` on.
struct Classes {
  AxisSplit split;
  DType target_dtype = DType::i64;
  std::optional<int64_t> ignored;
  std::string reduction;

  int64_t lines() const { return split.outer * split.inner; }
  int64_t first(int64_t l) const {
    return l / split.inner * split.length * split.inner + l % split.inner;
  }
  int64_t at(int64_t l, int64_t label) const { return first(l) + label * split.inner; }

  bool counts(int64_t target) const {
    if (ignored && target == *ignored) return false;
    if (target < 0 || target >= split.length)
      throw Error("a target is class {}, the scores have classes 0 to {}", target,
                  split.length - 1);
    return true;
  }
};
Classes classes_of(const KernelRequest& request, const Shape& scores, const TensorType& target) {
  const Attributes& a = request.node->attributes;
  Classes c{
      split_at(scores, a.get_int("axis", 1)), target.dtype, {}, a.get_string("reduction", "mean")};
  if (a.has("ignore_index")) c.ignored = a.get_int("ignore_index");
  return c;
}

// The weight of each line's term in the reduced loss.
template <typename T>
class Weights {
 public:
  Weights(const Classes& classes, const IntReader& target, const T* class_weight)
      : classes_(classes), target_(target), class_weight_(class_weight) {
    if (classes.reduction != "mean") return;
    double total = 0;
    for (int64_t l = 0; l < classes.lines(); ++l) total += weight(l);
    // Where no target counts, the loss and its gradient are 0.
    share_ = total != 0 ? 1 / total : 0;
  }
  double share(int64_t l) const { return weight(l) * share_; }

 private:
  double weight(int64_t l) const {
    const int64_t target = target_[l];
    if (!classes_.counts(target)) return 0;
    return class_weight_ ? static_cast<double>(class_weight_[target]) : 1;
  }

  const Classes& classes_;
  const IntReader& target_;
  const T* class_weight_;
  double share_ = 1;
};

// term(l, target) for each line that counts, reduced.
template <typename T, typename Term>
void reduce_terms(const Classes& c, const IntReader& target, const T* class_weight,
                  const FloatWriter& loss, Term term) {
  const Weights<T> weights(c, target, class_weight);
  double sum = 0;
  for (int64_t l = 0; l < c.lines(); ++l) {
    const double share = weights.share(l);
    const double value = share != 0 ? share * term(l, target[l]) : 0;
    if (c.reduction == "none")
      loss.set(l, value);
    else
      sum += value;
  }
  if (c.reduction != "none") loss.set(0, sum);
}

// log(sum(exp)) of line l's scores is largest + log_sum.
struct LogSumExp {
  double largest = -std::numeric_limits<double>::infinity(), log_sum = 0;
};
template <typename T>
LogSumExp log_sum_exp(const Classes& c, const T* x, int64_t l) {
  LogSumExp result;
  for (int64_t k = 0; k < c.split.length; ++k)
    result.largest = std::max(result.largest, static_cast<double>(x[c.at(l, k)]));
  double sum = 0;
  for (int64_t k = 0; k < c.split.length; ++k) sum += std::exp(x[c.at(l, k)] - result.largest);
  result.log_sum = std::log(sum);
  return result;
}

// logits, target, [class_weight] -> loss, largest, log_sum
template <typename T>
Loop cross_entropy(const KernelRequest& request) {
  const auto c = classes_of(request, request.input_types[0].shape, request.input_types[1]);
  const DType loss_dtype = request.output_types[0].dtype;
  return [=](const KernelArgs& args) {
    const T* x = input<T>(args, 0);
    const IntReader target(args.inputs[1], c.target_dtype);
    std::vector<LogSumExp> lse;
    for (int64_t l = 0; l < c.lines(); ++l) lse.push_back(log_sum_exp(c, x, l));
    const FloatWriter largest(output<void>(args, 1), loss_dtype);
    const FloatWriter log_sum(output<void>(args, 2), loss_dtype);
    for (size_t l = 0; l < lse.size(); ++l) {
      if (largest) largest.set(static_cast<int64_t>(l), lse[l].largest);
      if (log_sum) log_sum.set(static_cast<int64_t>(l), lse[l].log_sum);
    }
    reduce_terms(c, target, input<T>(args, 2), FloatWriter(args.outputs[0], loss_dtype),
                 [&](int64_t l, int64_t t) {
                   const LogSumExp& line = lse[static_cast<size_t>(l)];
                   return (line.largest - x[c.at(l, t)]) + line.log_sum;
                 });
  };
}

// dloss, logits, target, [class_weight], largest, log_sum -> dlogits = share dloss (softmax -
// one_hot)
template <typename T>
Loop cross_entropy_gradient(const KernelRequest& request) {
  const auto c = classes_of(request, request.input_types[1].shape, request.input_types[2]);
  const DType dloss_dtype = request.input_types[0].dtype, lse_dtype = request.input_types[4].dtype;
  return [=](const KernelArgs& args) {
    const T* x = input<T>(args, 1);
    T* dx = output<T>(args, 0);
    const FloatReader dloss(args.inputs[0], dloss_dtype);
    const FloatReader largest(args.inputs[4], lse_dtype), log_sum(args.inputs[5], lse_dtype);
    const IntReader target(args.inputs[2], c.target_dtype);
    const Weights<T> weights(c, target, input<T>(args, 3));
    for (int64_t l = 0; l < c.lines(); ++l) {
      const double share = weights.share(l) * dloss[c.reduction == "none" ? l : 0];
      for (int64_t k = 0; k < c.split.length; ++k) {
        const double one_hot = share != 0 && k == target[l] ? 1 : 0;
        const double softmax = std::exp((x[c.at(l, k)] - largest[l]) - log_sum[l]);
        dx[c.at(l, k)] = static_cast<T>(share != 0 ? share * (softmax - one_hot) : 0);
      }
    }
  };
}

// log_prob, target, [class_weight] -> loss
template <typename T>
Loop negative_log_likelihood(const KernelRequest& request) {
  const auto c = classes_of(request, request.input_types[0].shape, request.input_types[1]);
  const DType loss_dtype = request.output_types[0].dtype;
  return [=](const KernelArgs& args) {
    const T* x = input<T>(args, 0);
    reduce_terms(c, IntReader(args.inputs[1], c.target_dtype), input<T>(args, 2),
                 FloatWriter(args.outputs[0], loss_dtype),
                 [&](int64_t l, int64_t t) { return -static_cast<double>(x[c.at(l, t)]); });
  };
}

// dloss, log_prob, target, [class_weight] -> dx
template <typename T>
Loop negative_log_likelihood_gradient(const KernelRequest& request) {
  const auto c = classes_of(request, request.input_types[1].shape, request.input_types[2]);
  const DType dloss_dtype = request.input_types[0].dtype;
  return [=](const KernelArgs& args) {
    T* dx = output<T>(args, 0);
    const FloatReader dloss(args.inputs[0], dloss_dtype);
    const IntReader target(args.inputs[2], c.target_dtype);
    const Weights<T> weights(c, target, input<T>(args, 3));
    for (int64_t l = 0; l < c.lines(); ++l) {
      const double share = weights.share(l) * dloss[c.reduction == "none" ? l : 0];
      for (int64_t k = 0; k < c.split.length; ++k)
        dx[c.at(l, k)] = static_cast<T>(share != 0 && k == target[l] ? -share : 0);
    }
  };
}

// scores, target -> count
template <typename T>
Loop correct_count(const KernelRequest& request) {
  const auto c = classes_of(request, request.input_types[0].shape, request.input_types[1]);
  const DType count_dtype = request.output_types[0].dtype;
  return [=](const KernelArgs& args) {
    const T* x = input<T>(args, 0);
    const IntReader target(args.inputs[1], c.target_dtype);
    double count = 0;
    for (int64_t l = 0; l < c.lines(); ++l) {
      if (!c.counts(target[l])) continue;
      int64_t best = 0;
      for (int64_t k = 1; k < c.split.length; ++k)
        if (x[c.at(l, k)] > x[c.at(l, best)]) best = k;
      count += best == target[l];
    }
    FloatWriter(args.outputs[0], count_dtype).set(0, count);
  };
}

}  // namespace

Loop class_loss(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"SoftmaxCrossEntropy", by_float<cross_entropy<float>, cross_entropy<double>>},
      {"SoftmaxCrossEntropyGrad",
       by_float<cross_entropy_gradient<float>, cross_entropy_gradient<double>, 1>},
      {"NegativeLogLikelihood",
       by_float<negative_log_likelihood<float>, negative_log_likelihood<double>>},
      {"NegativeLogLikelihoodGrad", by_float<negative_log_likelihood_gradient<float>,
                                             negative_log_likelihood_gradient<double>, 1>},
      {"CorrectCount", by_float<correct_count<float>, correct_count<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
