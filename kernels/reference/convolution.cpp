#include <vector>

#include "kernels/reference/window.h"

namespace headrace::reference {
namespace {

// x [batch, group * in_channels, ...], w [group * out_channels, in_channels, ...],
// y [batch, group * out_channels, ...]
struct Convolution {
  Window window;
  int64_t batch, group, in_channels, out_channels;

  int64_t x_plane(int64_t n, int64_t g, int64_t c) const {
    return ((n * group + g) * in_channels + c) * window.in_size();
  }
  int64_t w_plane(int64_t g, int64_t m, int64_t c) const {
    return ((g * out_channels + m) * in_channels + c) * window.kernel_size();
  }
  int64_t y_plane(int64_t n, int64_t g, int64_t m) const {
    return ((n * group + g) * out_channels + m) * window.out_size();
  }
};
Convolution convolution_of(const KernelRequest& request, const Shape& x, const Shape& w,
                           const Shape& y) {
  const int64_t group = request.node->attributes.get_int("group", 1);
  return {window_of(request.node->attributes, x, y, std::span(w).subspan(2)), x[0], group, w[1],
          w[0] / group};
}

// x, w, [bias] -> y
template <typename T>
Loop convolution_forward(const KernelRequest& request) {
  const Convolution c = convolution_of(request, request.input_types[0].shape,
                                       request.input_types[1].shape, request.output_types[0].shape);
  const bool relu = request.node->attributes.get_string("activation", "") == "relu";
  return [=](const KernelArgs& args) {
    const T* x = input<T>(args, 0);
    const T* w = input<T>(args, 1);
    const T* bias = input<T>(args, 2);
    for (int64_t n = 0; n < c.batch; ++n)
      for (int64_t g = 0; g < c.group; ++g)
        for (int64_t m = 0; m < c.out_channels; ++m)
          for (int64_t p = 0; p < c.window.out_size(); ++p) {
            double sum = bias ? bias[g * c.out_channels + m] : 0;
            for_each_tap(c.window, p, [&](int64_t i, int64_t k) {
              for (int64_t l = 0; l < c.in_channels; ++l)
                sum += double{x[c.x_plane(n, g, l) + i]} * w[c.w_plane(g, m, l) + k];
            });
            output<T>(args, 0)[c.y_plane(n, g, m) + p] = static_cast<T>(relu && sum < 0 ? 0 : sum);
          }
  };
}

// dy, w, [bias] -> dx. Each tap of the forward loop hands its share back; sums stand in a double
// plane.
template <typename T>
Loop convolution_input_gradient(const KernelRequest& request) {
  const Convolution c = convolution_of(request, request.output_types[0].shape,
                                       request.input_types[1].shape, request.input_types[0].shape);
  const bool relu = request.node->attributes.get_string("activation", "") == "relu";
  return [=, plane = std::vector<double>(static_cast<size_t>(c.window.in_size()))](
             const KernelArgs& args) mutable {
    const T* dy = input<T>(args, 0);
    const T* w = input<T>(args, 1);
    const T* bias = input<T>(args, 2);
    for (int64_t n = 0; n < c.batch; ++n)
      for (int64_t g = 0; g < c.group; ++g)
        for (int64_t l = 0; l < c.in_channels; ++l) {
          plane.assign(plane.size(), bias ? bias[g * c.in_channels + l] : 0);
          for (int64_t m = 0; m < c.out_channels; ++m)
            for (int64_t p = 0; p < c.window.out_size(); ++p)
              for_each_tap(c.window, p, [&](int64_t i, int64_t k) {
                plane[static_cast<size_t>(i)] +=
                    double{dy[c.y_plane(n, g, m) + p]} * w[c.w_plane(g, m, l) + k];
              });
          T* dx = output<T>(args, 0) + c.x_plane(n, g, l);
          for (size_t i = 0; i < plane.size(); ++i)
            dx[i] = static_cast<T>(relu && plane[i] < 0 ? 0 : plane[i]);
        }
  };
}

// dy, x -> dw, [dbias]
template <typename T>
Loop weight_gradient(const KernelRequest& request) {
  const Convolution c = convolution_of(request, request.input_types[1].shape,
                                       request.output_types[0].shape, request.input_types[0].shape);
  return [=, plane = std::vector<double>(static_cast<size_t>(c.window.kernel_size()))](
             const KernelArgs& args) mutable {
    const T* dy = input<T>(args, 0);
    const T* x = input<T>(args, 1);
    for (int64_t g = 0; g < c.group; ++g)
      for (int64_t m = 0; m < c.out_channels; ++m) {
        for (int64_t l = 0; l < c.in_channels; ++l) {
          plane.assign(plane.size(), 0);
          for (int64_t n = 0; n < c.batch; ++n)
            for (int64_t p = 0; p < c.window.out_size(); ++p)
              for_each_tap(c.window, p, [&](int64_t i, int64_t k) {
                plane[static_cast<size_t>(k)] +=
                    double{dy[c.y_plane(n, g, m) + p]} * x[c.x_plane(n, g, l) + i];
              });
          T* dw = output<T>(args, 0) + c.w_plane(g, m, l);
          for (size_t k = 0; k < plane.size(); ++k) dw[k] = static_cast<T>(plane[k]);
        }
        if (T* dbias = output<T>(args, 1)) {
          double sum = 0;
          for (int64_t n = 0; n < c.batch; ++n)
            for (int64_t p = 0; p < c.window.out_size(); ++p) sum += dy[c.y_plane(n, g, m) + p];
          dbias[g * c.out_channels + m] = static_cast<T>(sum);
        }
      }
  };
}

}  // namespace

Loop convolution(const KernelRequest& request) {
  if (!request.node->op.starts_with("Conv") || !window_fits(request.input_types[0].shape))
    return {};
  static constexpr Row rows[] = {
      {"Conv", by_float<convolution_forward<float>, convolution_forward<double>>},
      {"ConvInputGrad",
       by_float<convolution_input_gradient<float>, convolution_input_gradient<double>>},
      {"ConvWeightGrad", by_float<weight_gradient<float>, weight_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
