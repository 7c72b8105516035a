#include "kernels/cuda/families.h"
#include "kernels/cuda/softmax.h"
#include "kernels/cuda/types.h"

// Operators that go along the lines of one axis: running sums and products, and the largest k.
namespace headrace::cuda {
namespace {

template <typename T>
struct Running {
  const T* x;
  T* y;
  Lines lines;
  bool product, exclusive, reverse;
  HEADRACE_HOST_DEVICE void operator()(int64_t line) const {
    double total = product ? 1 : 0;
    for (int64_t i = 0; i < lines.length; ++i) {
      const int64_t at = lines.at(line, reverse ? lines.length - 1 - i : i);
      const auto value = static_cast<double>(to_f32(x[at]));
      const double next = product ? total * value : total + value;
      y[at] = from_f32<T>(static_cast<float>(exclusive ? total : next));
      total = next;
    }
  }
};

struct Candidate {
  float value;
  int64_t index;  // -1: none
};

// Of equals the one that stands first; NaN counts as greater than any number.
struct Precedes {
  bool largest;
  HEADRACE_HOST_DEVICE static bool greater(float v, float w) { return v > w || (v != v && w == w); }
  HEADRACE_HOST_DEVICE bool operator()(const Candidate& a, const Candidate& b) const {
    if (greater(a.value, b.value)) return largest;
    if (greater(b.value, a.value)) return !largest;
    return a.index < b.index;
  }
};
struct Earlier {
  Precedes precedes;
  HEADRACE_HOST_DEVICE Candidate operator()(const Candidate& a, const Candidate& b) const {
    if (a.index < 0 || b.index < 0) return a.index < 0 ? b : a;
    return precedes(a, b) ? a : b;
  }
};

// k times the first of those that follow the last one taken.
template <typename T>
struct TakeLargest {
  const T* x;
  T* values;
  int64_t* indices;
  Lines lines, taken;
  Earlier earlier;

  template <typename Members>
  HEADRACE_HOST_DEVICE void run(int64_t line, const Members& team) const {
    Candidate last{0, -1};
    for (int64_t i = 0; i < taken.length; ++i) {
      Candidate best{0, -1};
      for (int64_t k = team.rank; k < lines.length; k += team.size) {
        const Candidate here{to_f32(x[lines.at(line, k)]), k};
        if (last.index < 0 || earlier.precedes(last, here)) best = earlier(best, here);
      }
      last = team.combine(best, earlier);
      if (team.rank != 0) continue;
      const int64_t at = taken.at(line, i);
      if (values != nullptr) values[at] = x[lines.at(line, last.index)];
      if (indices != nullptr) indices[at] = last.index;
    }
  }
};

}  // namespace

Prepared prepare_scan(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (!all_row_major(request)) return refuse("takes row-major values");
  const Attributes& a = request.node->attributes;
  const Lines lines(request.input_types[0].shape, a.get_int("axis"));
  const bool product = request.node->op == "CumProd";
  const bool exclusive = a.get_int("exclusive", 0) != 0, reverse = a.get_int("reverse", 0) != 0;
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel([=, queue = context.queue](const KernelArgs& args) {
      for_each(
          queue, lines.count,
          Running<T>{input<T>(args, 0), output<T>(args, 0), lines, product, exclusive, reverse});
    });
  });
}

Prepared prepare_top_k(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (!all_row_major(request)) return refuse("takes row-major values");
  const Attributes& a = request.node->attributes;
  const int64_t axis = a.get_int("axis");
  const Lines lines(request.input_types[0].shape, axis);
  Lines taken = lines;
  taken.length = a.get_int("k");
  if (taken.length > lines.length) return refuse("more than there are");
  const Earlier earlier{{a.get_int("largest", 1) != 0}};
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel([=, queue = context.queue](const KernelArgs& args) {
      for_each_line(queue, lines,
                    TakeLargest<T>{input<T>(args, 0), output<T>(args, 0),
                                   args.outputs.size() > 1 ? output<int64_t>(args, 1) : nullptr,
                                   lines, taken, earlier});
    });
  });
}

}  // namespace headrace::cuda
