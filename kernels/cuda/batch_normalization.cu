#include <cmath>

#include "kernels/cuda/families.h"
#include "kernels/cuda/images.h"
#include "kernels/cuda/totals.h"
#include "kernels/cuda/types.h"

// Images may lie row-major or with their channels last; scales and statistics have a float type of
// their own.
namespace headrace::cuda {
namespace {

// A channel's elements, one image after the other.
struct Channels : Images {
  using Images::Images;
  HEADRACE_HOST_DEVICE int64_t channel_start(int64_t c) const { return last ? c : c * plane; }
  // From there to the k-th element of the channel.
  HEADRACE_HOST_DEVICE int64_t offset(int64_t k) const {
    if (last) return k * channels;
    const int64_t image = quotient(k, plane);
    return image * channels * plane + k - image * plane;
  }
  HEADRACE_HOST_DEVICE int64_t channel_of(int64_t place) const {
    const int64_t line = last ? place : quotient(place, plane);
    return line - quotient(line, channels) * channels;
  }
  Cut cut() const {
    constexpr int64_t kWorthATeam = 32;
    return {channels, per_channel(), !last && plane >= kWorthATeam};
  }
};

// Sums of x and of its square, both less the channel's first element, so that a mean far from 0
// costs no digits.
template <typename T>
struct Moments {
  static constexpr int kTotals = 2;
  const T* x;
  Channels images;
  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t c) const { return images.channel_start(c); }
  HEADRACE_HOST_DEVICE void add(int64_t origin, int64_t, int64_t k, double (&totals)[2]) const {
    const double off = static_cast<double>(to_f32(x[origin + images.offset(k)])) -
                       static_cast<double>(to_f32(x[origin]));
    totals[0] += off;
    totals[1] += off * off;
  }
};

// What each channel's elements are mapped by.
struct Affine {
  float mean, factor;
};

template <typename T>
struct PutStatistics {
  const T* x;
  Channels images;
  FloatReader scale, mean, var;
  FloatWriter batch_mean, batch_var, new_mean, new_var;
  Affine* map;
  double epsilon, momentum;

  HEADRACE_HOST_DEVICE void operator()(int64_t c, const double (&totals)[2]) const {
    const auto n = static_cast<double>(images.per_channel());
    const double off = totals[0] / n;
    const double center = static_cast<double>(to_f32(x[images.channel_start(c)])) + off;
    const double spread = totals[1] / n - off * off;
    const double variance = spread > 0 ? spread : spread != spread ? spread : 0;
    map[c] = {static_cast<float>(center),
              static_cast<float>(static_cast<double>(scale[c]) / sqrt(variance + epsilon))};
    if (batch_mean) batch_mean.set(c, center);
    if (batch_var) batch_var.set(c, variance);
    const auto blend = [this](float old, double now) {
      return static_cast<double>(old) * momentum + now * (1 - momentum);
    };
    if (new_mean) new_mean.set(c, blend(mean[c], center));
    if (new_var) new_var.set(c, blend(var[c], variance));
  }
};

template <typename T>
struct Apply {
  const T* x;
  T* y;
  uint8_t* mask;
  Channels images;
  const Affine* map;
  FloatReader bias;
  bool relu;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t c = images.channel_of(i);
    const float z = (to_f32(x[i]) - map[c].mean) * map[c].factor + bias[c];
    y[i] = from_f32<T>(relu && z < 0.0f ? 0.0f : z);
    if (mask != nullptr) mask[i] = z > 0.0f;
  }
};

struct PutFrozen {
  FloatReader scale, mean, var;
  Affine* map;
  double epsilon;
  HEADRACE_HOST_DEVICE void operator()(int64_t c) const {
    map[c] = {mean[c], static_cast<float>(static_cast<double>(scale[c]) /
                                          sqrt(static_cast<double>(var[c]) + epsilon))};
  }
};

// Sums of dy, where the mask lets it through, and of dy (x - mean).
template <typename T>
struct Slopes {
  static constexpr int kTotals = 2;
  const T *dy, *x;
  const uint8_t* mask;
  Channels images;
  FloatReader mean;
  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t c) const { return images.channel_start(c); }
  HEADRACE_HOST_DEVICE void add(int64_t origin, int64_t c, int64_t k, double (&totals)[2]) const {
    const int64_t at = origin + images.offset(k);
    if (mask != nullptr && mask[at] == 0) return;
    const auto slope = static_cast<double>(to_f32(dy[at]));
    totals[0] += slope;
    totals[1] += slope * static_cast<double>(to_f32(x[at]) - mean[c]);
  }
};

struct Backward {
  float mean, inv_std, factor, mean_dy, mean_dyz;
};

struct PutBackward {
  Channels images;
  FloatReader scale, mean, var;
  FloatWriter dscale, dbias;
  Backward* map;
  double epsilon;
  bool frozen;
  HEADRACE_HOST_DEVICE void operator()(int64_t c, const double (&totals)[2]) const {
    const double inv_std = 1 / sqrt(static_cast<double>(var[c]) + epsilon);
    const double sum_dyz = totals[1] * inv_std;
    const auto n = static_cast<double>(images.per_channel());
    map[c] = {mean[c], static_cast<float>(inv_std),
              static_cast<float>(static_cast<double>(scale[c]) * inv_std),
              frozen ? 0.0f : static_cast<float>(totals[0] / n),
              frozen ? 0.0f : static_cast<float>(sum_dyz / n)};
    if (dscale) dscale.set(c, sum_dyz);
    if (dbias) dbias.set(c, totals[0]);
  }
};

template <typename T>
struct ApplyBackward {
  const T *dy, *x;
  const uint8_t* mask;
  T* dx;
  Channels images;
  const Backward* map;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const Backward& b = map[images.channel_of(i)];
    const float slope = mask != nullptr && mask[i] == 0 ? 0.0f : to_f32(dy[i]);
    const float z = (to_f32(x[i]) - b.mean) * b.inv_std;
    dx[i] = from_f32<T>(b.factor * (slope - b.mean_dy - z * b.mean_dyz));
  }
};

bool all_images_alike(const KernelRequest& request, size_t image_inputs) {
  const uint16_t id = request.output_layouts[0].id;
  bool alike = true;
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    const bool is_image = i < image_inputs || i == 5;
    alike = alike && request.input_layouts[i].id == (is_image ? id : 0);
  }
  if (has_output(request, 5)) alike = alike && request.output_layouts[5].id == id;
  return alike;
}

// Why the request is not for these kernels; empty: it is. Scales stand from input `scale` on.
std::string refusal_of(const KernelRequest& request, size_t scale) {
  if (accumulates(request, 0)) return "does not accumulate images";
  if (!is_stored_float(request.input_types[scale].dtype)) return "no kernel for the scale's type";
  if (!all_images_alike(request, scale)) return "layouts differ";
  if (request.input_types[0].elements() == 0) return "empty";
  return {};
}

template <typename T>
T* behind(void* workspace, size_t bytes) {
  return reinterpret_cast<T*>(static_cast<std::byte*>(workspace) + bytes);
}

}  // namespace

Prepared prepare_batch_normalization(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request, 1); !why.empty()) return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  const Attributes& a = request.node->attributes;
  const Channels images(request.input_types[0], request.input_layouts[0]);
  const Cut cut = images.cut();
  const size_t map_bytes = sizeof(Affine) * static_cast<size_t>(images.channels);
  const bool relu = a.get_string("activation", "") == "relu";
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, operands = Operands(request),
         epsilon = a.get_float("epsilon", 1e-5),
         momentum = a.get_float("momentum", 0.9)](const KernelArgs& args) {
          const T* x = input<T>(args, 0);
          auto* map = behind<Affine>(args.workspace, cut.bytes(2));
          run_totals(queue, cut, Moments<T>{x, images},
                     PutStatistics<T>{x, images, operands.in(args, 1), operands.in(args, 3),
                                      operands.in(args, 4), operands.out(args, 1),
                                      operands.out(args, 2), operands.out(args, 3),
                                      operands.out(args, 4), map, epsilon, momentum},
                     args.workspace);
          auto* mask = args.outputs.size() > 5 ? output<uint8_t>(args, 5) : nullptr;
          for_each(queue, images.elements(),
                   Apply<T>{x, output<T>(args, 0), mask, images, map, operands.in(args, 2), relu});
        },
        0, cut.bytes(2) + map_bytes);
  });
}

Prepared prepare_batch_normalization_inference(const Context& context,
                                               const KernelRequest& request) {
  if (std::string why = refusal_of(request, 1); !why.empty()) return refuse("{}", why);
  const Attributes& a = request.node->attributes;
  const Channels images(request.input_types[0], request.input_layouts[0]);
  const bool relu = a.get_string("activation", "") == "relu";
  return with_float_type(request.input_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, operands = Operands(request),
         epsilon = a.get_float("epsilon", 1e-5)](const KernelArgs& args) {
          auto* map = static_cast<Affine*>(args.workspace);
          for_each(queue, images.channels,
                   PutFrozen{operands.in(args, 1), operands.in(args, 3), operands.in(args, 4), map,
                             epsilon});
          for_each(queue, images.elements(),
                   Apply<T>{input<T>(args, 0), output<T>(args, 0), nullptr, images, map,
                            operands.in(args, 2), relu});
        },
        0, sizeof(Affine) * static_cast<size_t>(images.channels));
  });
}

Prepared prepare_batch_normalization_gradient(const Context& context,
                                              const KernelRequest& request) {
  if (std::string why = refusal_of(request, 2); !why.empty()) return refuse("{}", why);
  const Channels images(request.input_types[1], request.input_layouts[1]);
  const Cut cut = images.cut();
  const bool frozen = request.node->op == "BatchNormalizationInferenceGrad";
  const size_t map_bytes = sizeof(Backward) * static_cast<size_t>(images.channels);
  return with_float_type(request.input_types[1].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, operands = Operands(request),
         epsilon = request.node->attributes.get_float("epsilon", 1e-5)](const KernelArgs& args) {
          const T *dy = input<T>(args, 0), *x = input<T>(args, 1);
          const auto* mask = args.inputs.size() > 5 ? input<uint8_t>(args, 5) : nullptr;
          auto* map = behind<Backward>(args.workspace, cut.bytes(2));
          const FloatReader mean = operands.in(args, 3);
          run_totals(
              queue, cut, Slopes<T>{dy, x, mask, images, mean},
              PutBackward{images, operands.in(args, 2), mean, operands.in(args, 4),
                          operands.out(args, 1), operands.out(args, 2), map, epsilon, frozen},
              args.workspace);
          if (T* dx = output<T>(args, 0))
            for_each(queue, images.elements(), ApplyBackward<T>{dy, x, mask, dx, images, map});
        },
        0, cut.bytes(2) + map_bytes);
  });
}

}  // namespace headrace::cuda
