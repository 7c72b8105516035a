#include "kernels/sampling.h"

#include <algorithm>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

using portable::PointTaps;

// Of a node whose grid or offsets are input `where` and whose image is of this type.
PointSampling sampling_of(const KernelRequest& request, const TensorType& image, size_t where) {
  return request.node->op.starts_with("Grid")
             ? grid_sampling(*request.node, image, request.input_types[where])
             : deform_sampling(*request.node, image, request.input_types[where]);
}

// f(image, point, taps, mask)
template <typename T, typename F>
void for_each_point(const PointSampling& s, const T* where, const T* mask, F f) {
  for (int64_t image = 0; image < s.images; ++image)
    for (int64_t point = 0; point < s.points; ++point)
      f(image, point, s.taps(where, image, point),
        mask ? double{mask[s.mask_at(image, point)]} : 1.0);
}

// x, where, [mask] -> y
template <typename T>
Loop sampling_forward(const KernelRequest& request) {
  return [s = sampling_of(request, request.input_types[0], 1)](const KernelArgs& args) {
    for_each_point<T>(s, input<T>(args, 1), input<T>(args, 2),
                      [&](int64_t image, int64_t point, const PointTaps& taps, double mask) {
                        for (int64_t c = 0; c < s.channels; ++c) {
                          const int64_t plane = image * s.channels + c;
                          const T* x = input<T>(args, 0) + plane * s.pixels;
                          double sum = 0;
                          for (int t = 0; t < taps.count; ++t)
                            sum += taps.weight[t] * x[taps.offset[t]];
                          output<T>(args, 0)[plane * s.points + point] = static_cast<T>(mask * sum);
                        }
                      });
  };
}

// dy, where, [mask] -> dx
template <typename T>
Loop sampling_input_gradient(const KernelRequest& request) {
  const auto count = static_cast<size_t>(request.output_types[0].elements());
  return [s = sampling_of(request, request.output_types[0], 1), count](const KernelArgs& args) {
    std::vector<double> dx(count);
    for_each_point<T>(s, input<T>(args, 1), input<T>(args, 2),
                      [&](int64_t image, int64_t point, const PointTaps& taps, double mask) {
                        for (int64_t c = 0; c < s.channels; ++c) {
                          const int64_t plane = image * s.channels + c;
                          const double dy = mask * input<T>(args, 0)[plane * s.points + point];
                          for (int t = 0; t < taps.count; ++t)
                            dx[static_cast<size_t>(plane * s.pixels + taps.offset[t])] +=
                                taps.weight[t] * dy;
                        }
                      });
    for (size_t i = 0; i < count; ++i) output<T>(args, 0)[i] = static_cast<T>(dx[i]);
  };
}

// dy, x, where, [mask] -> dwhere, [dmask]
template <typename T>
Loop point_gradient(const KernelRequest& request) {
  return [s = sampling_of(request, request.input_types[1], 2)](const KernelArgs& args) {
    for_each_point<T>(s, input<T>(args, 2), input<T>(args, 3),
                      [&](int64_t image, int64_t point, const PointTaps& taps, double mask) {
                        double sum[PointTaps::kDimensions] = {}, value = 0;
                        for (int64_t c = 0; c < s.channels; ++c) {
                          const int64_t plane = image * s.channels + c;
                          const T* x = input<T>(args, 1) + plane * s.pixels;
                          const double dy = input<T>(args, 0)[plane * s.points + point];
                          for (int t = 0; t < taps.count; ++t) {
                            const double product = dy * x[taps.offset[t]];
                            value += taps.weight[t] * product;
                            for (int d = 0; d < s.dimensions; ++d)
                              sum[d] += taps.slope[d][t] * product;
                          }
                        }
                        for (int d = 0; d < s.dimensions; ++d)
                          output<T>(args, 0)[s.where_at(image, point, d)] =
                              static_cast<T>(mask * sum[d]);
                        if (T* dmask = output<T>(args, 1))
                          dmask[s.mask_at(image, point)] = static_cast<T>(value);
                      });
  };
}

}  // namespace

Loop point_sampling(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"GridSample", by_float<sampling_forward<float>, sampling_forward<double>>},
      {"GridSampleInputGrad",
       by_float<sampling_input_gradient<float>, sampling_input_gradient<double>>},
      {"GridSampleGridGrad", by_float<point_gradient<float>, point_gradient<double>>},
      {"DeformColumns", by_float<sampling_forward<float>, sampling_forward<double>>},
      {"DeformColumnsInputGrad",
       by_float<sampling_input_gradient<float>, sampling_input_gradient<double>>},
      {"DeformColumnsOffsetGrad", by_float<point_gradient<float>, point_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
