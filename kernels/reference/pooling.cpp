#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/window.h"

namespace headrace::reference {
namespace {

struct Pooling {
  Window window;
  int64_t planes;  // N * C
};
Pooling pooling_of(const KernelRequest& request, const Shape& x, const Shape& y) {
  const auto& kernel = request.node->attributes.get_ints("kernel_shape");
  return {window_of(request.node->attributes, x, y, kernel), x[0] * x[1]};
}

// x -> y, index. The first of equal maxima counts; a NaN is the maximum of its window. A window
// that meets no input (ceil_mode) gives the lowest number and index 0.
template <typename T>
Loop max_forward(const KernelRequest& request) {
  const Pooling s =
      pooling_of(request, request.input_types[0].shape, request.output_types[0].shape);
  const bool wide = request.output_types.size() > 1 && request.output_types[1].dtype == DType::i32;
  return [=](const KernelArgs& args) {
    for (int64_t plane = 0; plane < s.planes; ++plane)
      for (int64_t p = 0; p < s.window.out_size(); ++p) {
        const T* x = input<T>(args, 0) + plane * s.window.in_size();
        T best = std::numeric_limits<T>::lowest();
        int64_t where = -1;
        for_each_tap(s.window, p, [&](int64_t i, int64_t k) {
          if (where >= 0 && !(x[i] > best) && !(x[i] != x[i] && best == best)) return;
          best = x[i];
          where = k;
        });
        const int64_t at = plane * s.window.out_size() + p;
        output<T>(args, 0)[at] = best;
        if (output<void>(args, 1) == nullptr) continue;
        where = std::max<int64_t>(where, 0);
        if (wide)
          output<int32_t>(args, 1)[at] = static_cast<int32_t>(where);
        else
          output<uint8_t>(args, 1)[at] = static_cast<uint8_t>(where);
      }
  };
}

// dy, index -> dx
template <typename T>
Loop max_gradient(const KernelRequest& request) {
  const Pooling s =
      pooling_of(request, request.output_types[0].shape, request.input_types[0].shape);
  return [=, index_dtype = request.input_types[1].dtype](const KernelArgs& args) {
    const IntReader index(args.inputs[1], index_dtype);
    for (int64_t plane = 0; plane < s.planes; ++plane) {
      T* dx = output<T>(args, 0) + plane * s.window.in_size();
      std::fill_n(dx, s.window.in_size(), T{0});
      for (int64_t p = 0; p < s.window.out_size(); ++p) {
        const int64_t at = plane * s.window.out_size() + p;
        for_each_tap(s.window, p, [&](int64_t i, int64_t k) {
          if (k == index[at]) dx[i] += input<T>(args, 0)[at];
        });
      }
    }
  };
}

// A place in a plane, counted with the first dimension in ones.
int64_t column_major(const Window& w, int64_t offset) {
  const int64_t i2 = offset % w.in[2], i1 = offset / w.in[2] % w.in[1];
  const int64_t i0 = offset / w.in[2] / w.in[1];
  return i0 + w.in[0] * (i1 + w.in[1] * i2);
}

// index -> position
Loop max_position(const KernelRequest& request) {
  const Attributes& attributes = request.node->attributes;
  const Pooling s =
      pooling_of(request, attributes.get_ints("input_shape"), request.input_types[0].shape);
  const bool by_columns = attributes.get_int("column_major", 0) != 0;
  return [=, index_dtype = request.input_types[0].dtype](const KernelArgs& args) {
    const IntReader index(args.inputs[0], index_dtype);
    for (int64_t plane = 0; plane < s.planes; ++plane)
      for (int64_t p = 0; p < s.window.out_size(); ++p) {
        const int64_t at = plane * s.window.out_size() + p;
        int64_t place = 0;
        for_each_tap(s.window, p, [&](int64_t i, int64_t k) {
          if (k == index[at]) place = by_columns ? column_major(s.window, i) : i;
        });
        output<int64_t>(args, 0)[at] = plane * s.window.in_size() + place;
      }
  };
}

// How many elements an average is over: those that meet the input or, where padding counts, those
// that meet the padded input.
int64_t divisor(const Window& w, int64_t position, bool count_padding) {
  int64_t count = 0;
  if (!count_padding) {
    for_each_tap(w, position, [&](int64_t, int64_t) { ++count; });
    return std::max<int64_t>(count, 1);
  }
  const int64_t at[3] = {position / w.out[2] / w.out[1], position / w.out[2] % w.out[1],
                         position % w.out[2]};
  count = 1;
  for (size_t d = 0; d < 3; ++d) {
    const int64_t room = w.in[d] + w.pad_end[d] - (at[d] * w.stride[d] - w.pad_begin[d]);
    count *= std::min(w.kernel[d], (room + w.dilation[d] - 1) / w.dilation[d]);
  }
  return std::max<int64_t>(count, 1);
}

template <typename T>
Loop average_forward(const KernelRequest& request) {
  const Pooling s =
      pooling_of(request, request.input_types[0].shape, request.output_types[0].shape);
  const bool count_padding = request.node->attributes.get_int("count_include_pad", 0) != 0;
  return [=](const KernelArgs& args) {
    for (int64_t plane = 0; plane < s.planes; ++plane)
      for (int64_t p = 0; p < s.window.out_size(); ++p) {
        const T* x = input<T>(args, 0) + plane * s.window.in_size();
        double sum = 0;
        for_each_tap(s.window, p, [&](int64_t i, int64_t) { sum += x[i]; });
        output<T>(args, 0)[plane * s.window.out_size() + p] =
            static_cast<T>(sum / static_cast<double>(divisor(s.window, p, count_padding)));
      }
  };
}

template <typename T>
Loop average_gradient(const KernelRequest& request) {
  const Pooling s =
      pooling_of(request, request.output_types[0].shape, request.input_types[0].shape);
  const bool count_padding = request.node->attributes.get_int("count_include_pad", 0) != 0;
  return [=](const KernelArgs& args) {
    for (int64_t plane = 0; plane < s.planes; ++plane) {
      T* dx = output<T>(args, 0) + plane * s.window.in_size();
      std::fill_n(dx, s.window.in_size(), T{0});
      for (int64_t p = 0; p < s.window.out_size(); ++p) {
        const T share = input<T>(args, 0)[plane * s.window.out_size() + p] /
                        static_cast<T>(divisor(s.window, p, count_padding));
        for_each_tap(s.window, p, [&](int64_t i, int64_t) { dx[i] += share; });
      }
    }
  };
}

}  // namespace

Loop pooling(const KernelRequest& request) {
  const std::string& op = request.node->op;
  if (!op.starts_with("MaxPool") && !op.starts_with("AveragePool")) return {};
  if (!window_fits(request.input_types[0].shape)) return {};
  static constexpr Row rows[] = {
      {"MaxPool",
       [](const KernelRequest& r) {
         return for_number(r.input_types[0].dtype, [&]<typename T>() { return max_forward<T>(r); });
       }},
      {"MaxPoolPosition", max_position},
      {"MaxPoolGrad", by_float<max_gradient<float>, max_gradient<double>>},
      {"AveragePool", by_float<average_forward<float>, average_forward<double>>},
      {"AveragePoolGrad", by_float<average_gradient<float>, average_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
