#include <limits>

#include "kernels/cuda/families.h"
#include "kernels/cuda/images.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/types.h"

// Pooling over one, two or three spatial dimensions, with the images in either layout. Gradients
// are gathered: a pixel adds what the windows that see it give, in ascending order of the windows.
namespace headrace::cuda {
namespace {

// Fewer than three dimensions are led by dimensions of 1.
struct Window {
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1};
  int64_t dilation[3] = {1, 1, 1}, begin[3] = {}, end[3] = {};
  bool counts_padding = false;

  HEADRACE_HOST_DEVICE static void split(int64_t pixel, const int64_t (&extent)[3],
                                         int64_t (&at)[3]) {
    const int64_t line = quotient(pixel, extent[2]);
    at[2] = pixel - line * extent[2];
    at[0] = quotient(line, extent[1]);
    at[1] = line - at[0] * extent[1];
  }
  HEADRACE_HOST_DEVICE static int64_t join(const int64_t (&at)[3], const int64_t (&extent)[3]) {
    return (at[0] * extent[1] + at[1]) * extent[2] + at[2];
  }

  // each(pixel of the input, place in the kernel) for the taps of a window that meet the input.
  template <typename Each>
  HEADRACE_HOST_DEVICE void for_taps(const int64_t (&o)[3], const Each& each) const {
    int64_t k[3], i[3];
    for (k[0] = 0; k[0] < kernel[0]; ++k[0]) {
      if (!meets(0, o[0], k[0], i[0])) continue;
      for (k[1] = 0; k[1] < kernel[1]; ++k[1]) {
        if (!meets(1, o[1], k[1], i[1])) continue;
        for (k[2] = 0; k[2] < kernel[2]; ++k[2])
          if (meets(2, o[2], k[2], i[2])) each(join(i, in), join(k, kernel));
      }
    }
  }
  // each(window, place in the kernel) for the windows that see pixel i, in ascending order.
  template <typename Each>
  HEADRACE_HOST_DEVICE void for_windows(const int64_t (&i)[3], const Each& each) const {
    int64_t k[3], o[3];
    for (k[0] = kernel[0] - 1; k[0] >= 0; --k[0]) {
      if (!sees(0, i[0], k[0], o[0])) continue;
      for (k[1] = kernel[1] - 1; k[1] >= 0; --k[1]) {
        if (!sees(1, i[1], k[1], o[1])) continue;
        for (k[2] = kernel[2] - 1; k[2] >= 0; --k[2])
          if (sees(2, i[2], k[2], o[2])) each(o, join(k, kernel));
      }
    }
  }
  // How many elements an average is over: those that meet the input or, where padding counts, the
  // padded input.
  HEADRACE_HOST_DEVICE int64_t divisor(const int64_t (&o)[3]) const {
    int64_t count = 1;
    for (int d = 0; d < 3; ++d) {
      int64_t met = 0, ignored = 0;
      const int64_t room = in[d] + end[d] - (o[d] * stride[d] - begin[d]);
      const int64_t fits = (room + dilation[d] - 1) / dilation[d];
      if (counts_padding)
        met = fits < kernel[d] ? fits : kernel[d];
      else
        for (int64_t k = 0; k < kernel[d]; ++k) met += meets(d, o[d], k, ignored) ? 1 : 0;
      count *= met;
    }
    return count > 1 ? count : 1;
  }

 private:
  HEADRACE_HOST_DEVICE bool meets(int d, int64_t o, int64_t k, int64_t& i) const {
    i = o * stride[d] - begin[d] + k * dilation[d];
    return i >= 0 && i < in[d];
  }
  HEADRACE_HOST_DEVICE bool sees(int d, int64_t i, int64_t k, int64_t& o) const {
    const int64_t from = i + begin[d] - k * dilation[d];
    if (from < 0) return false;
    o = quotient(from, stride[d]);
    return o * stride[d] == from && o < out[d];
  }
};

// The place of each maximum in its window: u8 or i32.
struct PlaceInWindow {
  void* data = nullptr;
  bool wide = false;
  HEADRACE_HOST_DEVICE int64_t at(int64_t i) const {
    return wide ? static_cast<const int32_t*>(data)[i] : static_cast<const uint8_t*>(data)[i];
  }
  HEADRACE_HOST_DEVICE void put(int64_t i, int64_t place) const {
    if (data == nullptr) return;
    if (wide)
      static_cast<int32_t*>(data)[i] = static_cast<int32_t>(place);
    else
      static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(place);
  }
};

// The first of equal maxima counts; a NaN is the maximum of its window. A window that meets no
// input gives the lowest number and place 0.
template <typename T>
struct Pool {
  const T* x;
  T* y;
  PlaceInWindow index;
  Images in, out;
  Window window;
  bool average;
  float lowest;  // that T holds

  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const Images::Element e = out.element(i);
    int64_t o[3];
    Window::split(e.pixel, window.out, o);
    if (average) {
      double sum = 0;
      window.for_taps(o, [&](int64_t pixel, int64_t) {
        sum += static_cast<double>(to_f32(x[in.place(e.image, e.channel, pixel)]));
      });
      y[i] = from_f32<T>(static_cast<float>(sum / static_cast<double>(window.divisor(o))));
      return;
    }
    float best = lowest;
    int64_t where = -1;
    window.for_taps(o, [&](int64_t pixel, int64_t k) {
      const float value = to_f32(x[in.place(e.image, e.channel, pixel)]);
      if (where >= 0 && !(value > best) && !(value != value && best == best)) return;
      best = value;
      where = k;
    });
    y[i] = from_f32<T>(best);
    index.put(i, where < 0 ? 0 : where);
  }
};

template <typename T>
struct PoolGradient {
  const T* dy;
  PlaceInWindow index;
  T* dx;
  Images in, out;
  Window window;
  bool average;

  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const Images::Element e = in.element(i);
    int64_t at[3];
    Window::split(e.pixel, window.in, at);
    double sum = 0;
    window.for_windows(at, [&](const int64_t(&o)[3], int64_t k) {
      const int64_t from = out.place(e.image, e.channel, Window::join(o, window.out));
      if (average)
        sum += static_cast<double>(to_f32(dy[from])) / static_cast<double>(window.divisor(o));
      else if (index.at(from) == k)
        sum += static_cast<double>(to_f32(dy[from]));
    });
    dx[i] = from_f32<T>(static_cast<float>(sum));
  }
};

Window window_of(const Attributes& a, const Shape& in, const Shape& out) {
  const auto &kernel = a.get_ints("kernel_shape"), &strides = a.get_ints("strides");
  const auto& pads = a.get_ints("pads");
  Window w;
  const size_t rank = kernel.size();
  for (size_t d = 0; d < rank; ++d) {
    const size_t at = 3 - rank + d;
    w.in[at] = in[2 + d];
    w.out[at] = out[2 + d];
    w.kernel[at] = kernel[d];
    w.stride[at] = strides[d];
    w.begin[at] = pads[d];
    w.end[at] = pads[rank + d];
    if (a.has("dilations")) w.dilation[at] = a.get_ints("dilations")[d];
  }
  w.counts_padding = a.get_int("count_include_pad", 0) != 0;
  return w;
}

std::string refusal_of(const KernelRequest& request) {
  if (accumulates(request)) return "does not accumulate";
  const size_t rank = request.input_types[0].shape.size();
  if (rank < 3 || rank > 5) return "not one to three spatial dimensions";
  const auto differs = [&](const Layout& layout) {
    return layout.id != request.input_layouts[0].id;
  };
  if (std::ranges::any_of(request.input_layouts, differs)) return "layouts differ";
  for (size_t o = 0; o < request.output_layouts.size(); ++o)
    if (has_output(request, o) && differs(request.output_layouts[o])) return "layouts differ";
  return {};
}

}  // namespace

Prepared prepare_pooling(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request); !why.empty()) return refuse("{}", why);
  const TensorType &x = request.input_types[0], &y = request.output_types[0];
  const Window window = window_of(request.node->attributes, x.shape, y.shape);
  const Images in(x, request.input_layouts[0]), out(y, request.output_layouts[0]);
  const bool average = request.node->op == "AveragePool";
  const bool wide = has_output(request, 1) && request.output_types[1].dtype == DType::i32;
  const float lowest = x.dtype == DType::f16    ? -65504.0f
                       : x.dtype == DType::bf16 ? -0x1.FEp127f
                                                : std::numeric_limits<float>::lowest();
  return with_float_type(x.dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel([=, queue = context.queue](const KernelArgs& args) {
      void* index = args.outputs.size() > 1 ? args.outputs[1] : nullptr;
      for_each(queue, out.elements(),
               Pool<T>{input<T>(args, 0),
                       output<T>(args, 0),
                       {index, wide},
                       in,
                       out,
                       window,
                       average,
                       lowest});
    });
  });
}

Prepared prepare_pooling_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request); !why.empty()) return refuse("{}", why);
  const TensorType &dy = request.input_types[0], &dx = request.output_types[0];
  const Window window = window_of(request.node->attributes, dx.shape, dy.shape);
  const Images in(dx, request.output_layouts[0]), out(dy, request.input_layouts[0]);
  const bool average = request.node->op == "AveragePoolGrad";
  const bool wide = !average && request.input_types[1].dtype == DType::i32;
  return with_float_type(dx.dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel([=, queue = context.queue](const KernelArgs& args) {
      void* index = average ? nullptr : const_cast<void*>(args.inputs[1]);
      for_each(queue, in.elements(),
               PoolGradient<T>{
                   input<T>(args, 0), {index, wide}, output<T>(args, 0), in, out, window, average});
    });
  });
}

}  // namespace headrace::cuda
