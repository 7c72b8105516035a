#include <limits>

#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/softmax.h"
#include "kernels/cuda/types.h"
#include "kernels/functors/math.h"

namespace headrace::cuda {
namespace {

// One line along the axis: by a team where its elements are neighbours, else by one thread.
template <typename T>
struct SoftmaxLine {
  const T* x;
  T* y;
  Lines lines;
  bool logarithm;

  template <typename Members>
  HEADRACE_HOST_DEVICE void run(int64_t line, const Members& team) const {
    const LogSum sum = log_sum(x, lines, line, team);
    const auto total = static_cast<float>(sum.total);
    const float log = portable::logarithm(total), share = 1.0f / total;
    for (int64_t k = team.rank; k < lines.length; k += team.size) {
      const int64_t at = lines.at(line, k);
      const float shifted = to_f32(x[at]) - sum.largest;
      y[at] = from_f32<T>(logarithm ? shifted - log
                                    : portable::exponential_of_nonpositive(shifted) * share);
    }
  }
};

// dx = y (dy - sum(dy y)), and for the logarithm dx = dy - exp(y) sum(dy).
template <typename T>
struct SoftmaxGradientLine {
  const T *dy, *y;
  T* dx;
  Lines lines;
  bool logarithm;

  template <typename Members>
  HEADRACE_HOST_DEVICE void run(int64_t line, const Members& team) const {
    double own = 0;
    for (int64_t k = team.rank; k < lines.length; k += team.size) {
      const int64_t at = lines.at(line, k);
      const double slope = static_cast<double>(to_f32(dy[at]));
      own += logarithm ? slope : slope * static_cast<double>(to_f32(y[at]));
    }
    const auto sum = static_cast<float>(team.sum(own));
    for (int64_t k = team.rank; k < lines.length; k += team.size) {
      const int64_t at = lines.at(line, k);
      const float slope = to_f32(dy[at]), value = to_f32(y[at]);
      dx[at] = from_f32<T>(logarithm ? slope - portable::exponential(value) * sum
                                     : value * (slope - sum));
    }
  }
};

// Why the lines cannot be walked; empty where they can.
std::string refusal_of(const KernelRequest& request) {
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  return {};
}

}  // namespace

Prepared prepare_softmax(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request); !why.empty()) return refuse("{}", why);
  const Lines lines(request.output_types[0].shape, request.node->attributes.get_int("axis"));
  const bool logarithm = request.node->op == "LogSoftmax";
  return with_float_type(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue](const KernelArgs& args) {
          for_each_line(queue, lines,
                        SoftmaxLine<T>{input<T>(args, 0), output<T>(args, 0), lines, logarithm});
        },
        0);
  });
}

Prepared prepare_softmax_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request); !why.empty()) return refuse("{}", why);
  const Lines lines(request.output_types[0].shape, request.node->attributes.get_int("axis"));
  const bool logarithm = request.node->op == "LogSoftmaxGrad";
  return with_float_type(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue](const KernelArgs& args) {
          for_each_line(queue, lines,
                        SoftmaxGradientLine<T>{input<T>(args, 0), input<T>(args, 1),
                                               output<T>(args, 0), lines, logarithm});
        },
        0);
  });
}

}  // namespace headrace::cuda
