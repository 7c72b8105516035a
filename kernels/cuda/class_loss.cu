#include "kernels/cuda/families.h"
#include "kernels/cuda/softmax.h"
#include "kernels/cuda/totals.h"
#include "kernels/cuda/types.h"

// Losses over class ids. A class outside of the scores' range cannot be reported from a device: its
// loss and its gradient are NaN.
namespace headrace::cuda {
namespace {

// Line l of the scores belongs to target l.
struct Classes {
  Lines lines;
  DType target_dtype = DType::i64;
  bool mean = true, reduced = true, ignores = false;
  int64_t ignored = 0;

  HEADRACE_HOST_DEVICE bool is_ignored(int64_t target) const {
    return ignores && target == ignored;
  }
  HEADRACE_HOST_DEVICE bool is_class(int64_t target) const {
    return target >= 0 && target < lines.length;
  }
};

struct Targets {
  Classes classes;
  IndexReader target;
  FloatReader class_weight;

  HEADRACE_HOST_DEVICE double weight(int64_t line) const {
    const int64_t t = target[line];
    if (classes.is_ignored(t)) return 0;
    if (!classes.is_class(t)) return std::numeric_limits<double>::quiet_NaN();
    return class_weight ? static_cast<double>(class_weight[t]) : 1;
  }
};

// The sum of the weights that count, and from it what each is multiplied by.
struct Weights {
  static constexpr int kTotals = 1;
  Targets targets;
  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t) const { return 0; }
  HEADRACE_HOST_DEVICE void add(int64_t, int64_t, int64_t line, double (&totals)[1]) const {
    totals[0] += targets.weight(line);
  }
};
struct Share {
  double* share;
  bool mean;
  // Where no target counts, the loss and its gradient are 0.
  HEADRACE_HOST_DEVICE void operator()(int64_t, const double (&totals)[1]) const {
    *share = !mean ? 1 : totals[0] != 0 ? 1 / totals[0] : 0;
  }
};

template <typename T>
struct LogSums {
  const T* x;
  Lines lines;
  float *largest, *log_sum;
  template <typename Members>
  HEADRACE_HOST_DEVICE void run(int64_t line, const Members& team) const {
    const LogSum sum = cuda::log_sum(x, lines, line, team);
    if (team.rank != 0) return;
    largest[line] = sum.largest;
    log_sum[line] = portable::logarithm(static_cast<float>(sum.total));
  }
};

// The lines' losses; without largest and log_sum the scores are logarithms of probabilities.
template <typename T>
struct LineLosses {
  static constexpr int kTotals = 1;
  const T* x;
  Targets targets;
  const float *largest, *log_sum;
  const double* share;
  float* each;  // where the losses are not reduced

  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t) const { return 0; }
  HEADRACE_HOST_DEVICE void add(int64_t, int64_t, int64_t line, double (&totals)[1]) const {
    const double weight = targets.weight(line) * *share;
    double loss = weight;  // 0, or the NaN of a target that is no class
    if (weight == weight && weight != 0) {
      const auto score =
          static_cast<double>(to_f32(x[targets.classes.lines.at(line, targets.target[line])]));
      loss *= largest != nullptr ? (static_cast<double>(largest[line]) - score) +
                                       static_cast<double>(log_sum[line])
                                 : -score;
    }
    if (each != nullptr) each[line] = static_cast<float>(loss);
    totals[0] += loss;
  }
};
struct PutLoss {
  FloatWriter loss;
  HEADRACE_HOST_DEVICE void operator()(int64_t, const double (&totals)[1]) const {
    if (loss) loss.set(0, totals[0]);
  }
};

// share dloss (softmax - one_hot), or -share dloss one_hot.
template <typename T>
struct LossGradient {
  const T* x;
  T* dx;
  Targets targets;
  const float *dloss, *largest, *log_sum;
  const double* share;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const Lines& lines = targets.classes.lines;
    const int64_t row = quotient(i, lines.inner), block = quotient(row, lines.length);
    const int64_t k = row - block * lines.length;
    const int64_t line = block * lines.inner + i - row * lines.inner;
    const auto factor = static_cast<float>(targets.weight(line) * *share) *
                        dloss[targets.classes.reduced ? 0 : line];
    float slope = factor == 0.0f ? 0.0f : factor;
    if (factor != 0.0f) {
      const float one_hot = k == targets.target[line] ? 1.0f : 0.0f;
      const float softmax =
          largest != nullptr ? portable::exponential((to_f32(x[i]) - largest[line]) - log_sum[line])
                             : 0.0f;
      slope *= softmax - one_hot;
    }
    dx[i] = from_f32<T>(slope);
  }
};

// The targets that stand first among the highest scores of their lines.
template <typename T>
struct Hits {
  static constexpr int kTotals = 1;
  const T* x;
  Targets targets;
  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t) const { return 0; }
  HEADRACE_HOST_DEVICE void add(int64_t, int64_t, int64_t line, double (&totals)[1]) const {
    const int64_t t = targets.target[line];
    if (targets.classes.is_ignored(t)) return;
    const Lines& lines = targets.classes.lines;
    int64_t best = 0;
    for (int64_t k = 1; k < lines.length; ++k)
      if (to_f32(x[lines.at(line, k)]) > to_f32(x[lines.at(line, best)])) best = k;
    totals[0] += best == t ? 1 : 0;
  }
};

struct Request {
  Classes classes;
  Cut cut;  // over the lines
  std::string refusal;

  Request(const KernelRequest& request, size_t scores) {
    const Attributes& a = request.node->attributes;
    const TensorType& x = request.input_types[scores];
    const DType target = request.input_types[scores + 1].dtype;
    classes.lines = Lines(x.shape, a.get_int("axis", 1));
    classes.target_dtype = target;
    const std::string reduction = a.get_string("reduction", "mean");
    classes.mean = reduction == "mean";
    classes.reduced = reduction != "none";
    classes.ignores = a.has("ignore_index");
    classes.ignored = a.get_int("ignore_index", 0);
    cut = Cut(1, classes.lines.count, true);
    if (!all_row_major(request)) refusal = "takes row-major values";
    if (accumulates(request)) refusal = "does not accumulate";
    if (!IndexReader::can_read(target)) refusal = "targets are neither i64 nor i32";
    if (x.elements() == 0) refusal = "empty";
  }
};

float* optional_output(const KernelArgs& args, size_t o) {
  return o < args.outputs.size() ? output<float>(args, o) : nullptr;
}
const float* optional_input(const KernelArgs& args, size_t i) {
  return i < args.inputs.size() ? input<float>(args, i) : nullptr;
}

}  // namespace

Prepared prepare_class_loss(const Context& context, const KernelRequest& request) {
  const Request r(request, 0);
  if (!r.refusal.empty()) return refuse("{}", r.refusal);
  const bool normalizes = request.node->op == "SoftmaxCrossEntropy";
  const size_t lines_bytes = sizeof(double) * static_cast<size_t>(r.classes.lines.count);
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, classes = r.classes, cut = r.cut,
         operands = Operands(request)](const KernelArgs& args) {
          const T* x = input<T>(args, 0);
          const Targets targets{
              classes, {args.inputs[1], classes.target_dtype}, operands.in(args, 2)};
          auto* share = static_cast<double*>(args.workspace);
          auto* scratch = reinterpret_cast<float*>(share + 1);
          void* parts = scratch + 2 * classes.lines.count;
          float *largest = nullptr, *log_sum = nullptr;
          if (normalizes) {
            largest = optional_output(args, 1);
            log_sum = optional_output(args, 2);
            if (largest == nullptr) largest = scratch;
            if (log_sum == nullptr) log_sum = scratch + classes.lines.count;
            for_each_line(queue, classes.lines, LogSums<T>{x, classes.lines, largest, log_sum});
          }
          run_totals(queue, cut, Weights{targets}, Share{share, classes.mean}, parts);
          float* each = classes.reduced ? nullptr : output<float>(args, 0);
          run_totals(queue, cut, LineLosses<T>{x, targets, largest, log_sum, share, each},
                     PutLoss{classes.reduced ? operands.out(args, 0) : FloatWriter{}}, parts);
        },
        -1, sizeof(double) + lines_bytes + r.cut.bytes(1));
  });
}

Prepared prepare_class_loss_gradient(const Context& context, const KernelRequest& request) {
  const Request r(request, 1);
  if (!r.refusal.empty()) return refuse("{}", r.refusal);
  const bool normalizes = request.node->op == "SoftmaxCrossEntropyGrad";
  return with_float_type(request.input_types[1].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, classes = r.classes, cut = r.cut,
         count = request.output_types[0].elements(),
         operands = Operands(request)](const KernelArgs& args) {
          const Targets targets{
              classes, {args.inputs[2], classes.target_dtype}, operands.in(args, 3)};
          auto* share = static_cast<double*>(args.workspace);
          run_totals(queue, cut, Weights{targets}, Share{share, classes.mean}, share + 1);
          for_each(
              queue, count,
              LossGradient<T>{input<T>(args, 1), output<T>(args, 0), targets, input<float>(args, 0),
                              normalizes ? optional_input(args, 4) : nullptr,
                              normalizes ? optional_input(args, 5) : nullptr, share});
        },
        1, sizeof(double) + r.cut.bytes(1));
  });
}

Prepared prepare_correct_count(const Context& context, const KernelRequest& request) {
  const Request r(request, 0);
  if (!r.refusal.empty()) return refuse("{}", r.refusal);
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, classes = r.classes, cut = r.cut,
         operands = Operands(request)](const KernelArgs& args) {
          const Targets targets{classes, {args.inputs[1], classes.target_dtype}, {}};
          run_totals(queue, cut, Hits<T>{input<T>(args, 0), targets},
                     PutLoss{operands.out(args, 0)}, args.workspace);
        },
        -1, r.cut.bytes(1));
  });
}

}  // namespace headrace::cuda
