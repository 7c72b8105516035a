#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// The lines of a tensor along one axis, walked forwards or, for `reverse`, backwards.
struct Lines {
  AxisSplit split;
  bool exclusive = false, reverse = false;

  int64_t count() const { return split.outer * split.inner; }
  // The offset of step `i` of a line.
  int64_t at(int64_t line, int64_t i) const {
    const int64_t step = reverse ? split.length - 1 - i : i;
    return (line / split.inner * split.length + step) * split.inner + line % split.inner;
  }
};
Lines lines_of(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  return {split_at(request.input_types[0].shape, a.get_int("axis")), a.get_int("exclusive", 0) != 0,
          a.get_int("reverse", 0) != 0};
}

// Element i becomes start and the elements up to i (exclusive: before i) combined.
template <typename T>
Loop running(const KernelRequest& request, Sum<T> start, Sum<T> (*combine)(Sum<T>, Sum<T>)) {
  return [=, l = lines_of(request)](const KernelArgs& args) {
    for (int64_t line = 0; line < l.count(); ++line) {
      Sum<T> total = start;
      for (int64_t i = 0; i < l.split.length; ++i) {
        const int64_t at = l.at(line, i);
        const Sum<T> next = combine(total, static_cast<Sum<T>>(input<T>(args, 0)[at]));
        output<T>(args, 0)[at] = static_cast<T>(l.exclusive ? total : next);
        total = next;
      }
    }
  };
}

Loop sum(const KernelRequest& request) {
  return for_number(request.input_types[0].dtype, [&]<typename T>() {
    return running<T>(request, 0, [](Sum<T> a, Sum<T> b) { return a + b; });
  });
}
Loop product(const KernelRequest& request) {
  return for_number(request.input_types[0].dtype, [&]<typename T>() {
    return running<T>(request, 1, [](Sum<T> a, Sum<T> b) { return a * b; });
  });
}

// dx_i is the product of what stands before x_i times sum over j >= i of dy_j and the product of
// what stands between them, so that nothing is divided by.
template <typename T>
Loop product_gradient(const KernelRequest& request) {
  return [l = lines_of(request)](const KernelArgs& args) {
    const T* dy = input<T>(args, 0);
    const T* x = input<T>(args, 1);
    T* dx = output<T>(args, 0);
    for (int64_t line = 0; line < l.count(); ++line) {
      double before = 1;
      for (int64_t i = 0; i < l.split.length; ++i) {
        double rest = 0, between = 1;
        for (int64_t j = i + int64_t{l.exclusive}; j < l.split.length; ++j) {
          const int64_t factor = l.exclusive ? j - 1 : j;
          if (factor > i) between *= x[l.at(line, factor)];
          rest += dy[l.at(line, j)] * between;
        }
        dx[l.at(line, i)] = static_cast<T>(before * rest);
        before *= x[l.at(line, i)];
      }
    }
  };
}

}  // namespace

Loop scan(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"CumSum", sum},
      {"CumProd", product},
      {"CumProdGrad", by_float<product_gradient<float>, product_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
