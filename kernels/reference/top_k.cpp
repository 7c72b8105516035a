#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// Sorted, of equals the one that stands first; NaN counts as greater than any number.
template <typename T>
Loop select(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  return [split = split_at(request.input_types[0].shape, a.get_int("axis")), k = a.get_int("k"),
          largest = a.get_int("largest", 1) != 0](const KernelArgs& args) {
    std::vector<int64_t> order(static_cast<size_t>(split.length));
    for (int64_t line = 0; line < split.outer * split.inner; ++line) {
      const int64_t outer = line / split.inner, inner = line % split.inner;
      const T* x = input<T>(args, 0) + outer * split.length * split.inner + inner;
      const auto greater = [](T v, T w) { return v > w || (v != v && w == w); };
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        const T v = x[i * split.inner], w = x[j * split.inner];
        return largest ? greater(v, w) : greater(w, v);
      });
      for (int64_t i = 0; i < k; ++i) {
        const int64_t at = (outer * k + i) * split.inner + inner;
        const int64_t from = order[static_cast<size_t>(i)];
        if (T* values = output<T>(args, 0)) values[at] = x[from * split.inner];
        if (auto* indices = output<int64_t>(args, 1)) indices[at] = from;
      }
    }
  };
}

}  // namespace

Loop top_k(const KernelRequest& request) {
  if (request.node->op != "TopK") return {};
  return for_number(request.input_types[0].dtype, [&]<typename T>() { return select<T>(request); });
}

}  // namespace headrace::reference
