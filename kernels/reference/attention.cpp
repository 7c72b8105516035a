#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// The pairs of queries and keys of a node, and their scores in double.
struct Scores {
  int64_t heads = 0;  // B H
  int64_t queries = 0, keys = 0;
  int64_t width = 0, value_width = 0;
  double scale = 1;
  bool causal = false;
  DType bias_dtype = DType::f32;
  StridedView bias_view;  // empty shape where there is no bias

  // q, k and v stand at `first` and behind it, the bias at `bias`.
  Scores(const KernelRequest& request, size_t first, size_t bias) {
    const Shape& q = request.input_types[first].shape;
    const Shape& v = request.input_types[first + 2].shape;
    heads = q[0] * q[1];
    queries = q[2];
    width = q[3];
    keys = v[2];
    value_width = v[3];
    scale = request.node->attributes.get_float("scale");
    causal = request.node->attributes.get_int("causal") != 0;
    if (!has_input(request, bias)) return;
    bias_dtype = request.input_types[bias].dtype;
    bias_view = broadcast_view(request.input_types[bias].shape, {q[0], q[1], queries, keys});
  }

  int64_t seen_by(int64_t query) const { return causal ? std::min(query + 1, keys) : keys; }

  // Of one query, `row` among all, and one of its head's keys.
  template <typename T>
  double at(const T* q, const T* k, const void* bias, int64_t row, int64_t key) const {
    double score = 0;
    for (int64_t d = 0; d < width; ++d)
      score += static_cast<double>(q[row * width + d]) *
               static_cast<double>(k[(row / queries * keys + key) * width + d]);
    score *= scale;
    if (bias != nullptr) score += FloatReader(bias, bias_dtype)[bias_view.offset(row * keys + key)];
    return score;
  }
};

template <typename T>
Loop attention_forward(const KernelRequest& request) {
  const DType statistics =
      request.output_types.size() > 1 ? request.output_types[1].dtype : DType::f32;
  return [s = Scores(request, 0, 3), statistics, weights = std::vector<double>(),
          sums = std::vector<double>()](const KernelArgs& args) mutable {
    const T *q = input<T>(args, 0), *k = input<T>(args, 1), *v = input<T>(args, 2);
    const auto* bias = input<void>(args, 3);
    const FloatWriter log_sum_exp(output<void>(args, 1), statistics);
    weights.resize(static_cast<size_t>(s.keys));
    for (int64_t row = 0; row < s.heads * s.queries; ++row) {
      const int64_t seen = s.seen_by(row % s.queries);
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t t = 0; t < seen; ++t) {
        weights[static_cast<size_t>(t)] = s.at(q, k, bias, row, t);
        largest = std::max(largest, weights[static_cast<size_t>(t)]);
      }
      for (int64_t t = 0; t < seen; ++t)
        sum += weights[static_cast<size_t>(t)] =
            std::exp(weights[static_cast<size_t>(t)] - largest);
      sums.assign(static_cast<size_t>(s.value_width), 0);
      for (int64_t t = 0; t < seen; ++t)
        for (int64_t e = 0; e < s.value_width; ++e)
          sums[static_cast<size_t>(e)] +=
              weights[static_cast<size_t>(t)] *
              static_cast<double>(v[(row / s.queries * s.keys + t) * s.value_width + e]);
      for (int64_t e = 0; e < s.value_width; ++e)
        output<T>(args, 0)[row * s.value_width + e] =
            static_cast<T>(sums[static_cast<size_t>(e)] / sum);
      if (log_sum_exp) log_sum_exp.set(row, largest + std::log(sum));
    }
  };
}

// dy, q, k, v, y, log_sum_exp, [bias] -> dq, dk, dv. With weights p = exp(scores - log_sum_exp) and
// c = the sum of dy y over a row: dscores = p (dy v^T - c), dv = p^T dy, dq = scale dscores k and
// dk = scale dscores^T q (FlashAttention-2, arXiv:2307.08691, algorithm 2).
template <typename T>
Loop attention_gradient(const KernelRequest& request) {
  return [s = Scores(request, 1, 6), statistics = request.input_types[5].dtype,
          dq_row = std::vector<double>(), dk_head = std::vector<double>(),
          dv_head = std::vector<double>()](const KernelArgs& args) mutable {
    const T *dy = input<T>(args, 0), *q = input<T>(args, 1), *k = input<T>(args, 2),
            *v = input<T>(args, 3), *y = input<T>(args, 4);
    const FloatReader log_sum_exp(args.inputs[5], statistics);
    const auto* bias = input<void>(args, 6);
    T *dq = output<T>(args, 0), *dk = output<T>(args, 1), *dv = output<T>(args, 2);
    for (int64_t head = 0; head < s.heads; ++head) {
      dk_head.assign(static_cast<size_t>(s.keys * s.width), 0);
      dv_head.assign(static_cast<size_t>(s.keys * s.value_width), 0);
      for (int64_t i = 0; i < s.queries; ++i) {
        const int64_t row = head * s.queries + i;
        double own = 0;
        for (int64_t e = 0; e < s.value_width; ++e)
          own += static_cast<double>(dy[row * s.value_width + e]) *
                 static_cast<double>(y[row * s.value_width + e]);
        dq_row.assign(static_cast<size_t>(s.width), 0);
        for (int64_t t = 0; t < s.seen_by(i); ++t) {
          const double weight = std::exp(s.at(q, k, bias, row, t) - log_sum_exp[row]);
          double dweight = 0;
          for (int64_t e = 0; e < s.value_width; ++e) {
            const auto gradient = static_cast<double>(dy[row * s.value_width + e]);
            dweight += gradient * static_cast<double>(v[(head * s.keys + t) * s.value_width + e]);
            dv_head[static_cast<size_t>(t * s.value_width + e)] += weight * gradient;
          }
          const double dscore = s.scale * weight * (dweight - own);
          for (int64_t d = 0; d < s.width; ++d) {
            dq_row[static_cast<size_t>(d)] +=
                dscore * static_cast<double>(k[(head * s.keys + t) * s.width + d]);
            dk_head[static_cast<size_t>(t * s.width + d)] +=
                dscore * static_cast<double>(q[row * s.width + d]);
          }
        }
        if (dq != nullptr) std::copy(dq_row.begin(), dq_row.end(), dq + row * s.width);
      }
      if (dk != nullptr) std::copy(dk_head.begin(), dk_head.end(), dk + head * s.keys * s.width);
      if (dv != nullptr)
        std::copy(dv_head.begin(), dv_head.end(), dv + head * s.keys * s.value_width);
    }
  };
}

}  // namespace

Loop attention(const KernelRequest& request) {
  if (request.node->op == "Attention")
    return by_float<attention_forward<float>, attention_forward<double>>(request);
  if (request.node->op == "AttentionGrad")
    return by_float<attention_gradient<float>, attention_gradient<double>>(request);
  return {};
}

}  // namespace headrace::reference
