#include "kernels/sampling.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/parallel.h"

namespace headrace::cpu {
namespace {

using portable::PointTaps;

// The taps of a few points, found once and used for every channel.
struct Block {
  static constexpr int64_t kPoints = 32;
  int64_t first = 0, points = 0, taps = 0;  // taps: of each point, filled up with weights of 0
  int32_t offset[kPoints * PointTaps::kMost];
  float weight[kPoints * PointTaps::kMost];

  void fill(const PointSampling& s, const float* where, const float* mask, int64_t image,
            int64_t from) {
    first = from;
    points = std::min(kPoints, s.points - from);
    PointTaps found[kPoints];
    taps = 0;
    for (int64_t p = 0; p < points; ++p) {
      found[p] = s.taps(where, image, from + p);
      taps = std::max<int64_t>(taps, found[p].count);
    }
    for (int64_t p = 0; p < points; ++p) {
      const float factor = mask ? mask[s.mask_at(image, from + p)] : 1.0f;
      for (int64_t t = 0; t < taps; ++t) {
        const bool real = t < found[p].count;
        offset[p * taps + t] = real ? static_cast<int32_t>(found[p].offset[t]) : 0;
        weight[p * taps + t] = real ? factor * static_cast<float>(found[p].weight[t]) : 0.0f;
      }
    }
  }

  // y of these points from one plane.
  void read(const float* x, float* y) const {
    for (int64_t p = 0; p < points; ++p) {
      float sum = 0;
      for (int64_t t = p * taps; t < (p + 1) * taps; ++t)
        if (weight[t] != 0) sum += weight[t] * x[offset[t]];
      y[first + p] = sum;
    }
  }
  void add(const float* dy, float* dx) const {
    for (int64_t p = 0; p < points; ++p)
      for (int64_t t = p * taps; t < (p + 1) * taps; ++t)
        dx[offset[t]] += weight[t] * dy[first + p];
  }
};

// Each thread owns planes, which are channels of images, and goes through all points of each.
class PlanesKernel : public Kernel {
 public:
  PlanesKernel(PointSampling s, bool gradient) : s_(s), gradient_(gradient) {}

  void run(const KernelArgs& args) const override {
    const auto* source = static_cast<const float*>(args.inputs[0]);
    const auto* where = static_cast<const float*>(args.inputs[1]);
    const auto* mask = args.inputs.size() > 2 ? static_cast<const float*>(args.inputs[2]) : nullptr;
    auto* target = static_cast<float*>(args.outputs[0]);
    parallel_ranges(s_.images * s_.channels, 4 * (s_.points + s_.pixels),
                    [&](int64_t begin, int64_t end) {
                      if (gradient_)
                        std::fill_n(target + begin * s_.pixels, (end - begin) * s_.pixels, 0.0f);
                      Block block;
                      for (int64_t plane = begin; plane < end;) {
                        const int64_t image = plane / s_.channels;
                        const int64_t last = std::min(end, (image + 1) * s_.channels);
                        for (int64_t from = 0; from < s_.points; from += Block::kPoints) {
                          block.fill(s_, where, mask, image, from);
                          for (int64_t p = plane; p < last; ++p)
                            if (gradient_)
                              block.add(source + p * s_.points, target + p * s_.pixels);
                            else
                              block.read(source + p * s_.pixels, target + p * s_.points);
                        }
                        plane = last;
                      }
                    });
  }

 private:
  PointSampling s_;
  bool gradient_;
};

// Each thread owns points and sums over the channels of their image.
class PointsKernel : public Kernel {
 public:
  explicit PointsKernel(PointSampling s) : s_(s) {}

  void run(const KernelArgs& args) const override {
    const auto* dy = static_cast<const float*>(args.inputs[0]);
    const auto* x = static_cast<const float*>(args.inputs[1]);
    const auto* where = static_cast<const float*>(args.inputs[2]);
    const auto* mask = args.inputs.size() > 3 ? static_cast<const float*>(args.inputs[3]) : nullptr;
    auto* dwhere = static_cast<float*>(args.outputs[0]);
    auto* dmask = args.outputs.size() > 1 ? static_cast<float*>(args.outputs[1]) : nullptr;
    parallel_ranges(s_.images * s_.points, 8 * s_.channels, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / s_.points, point = i % s_.points;
        const PointTaps taps = s_.taps(where, image, point);
        double product[PointTaps::kMost] = {};
        for (int64_t c = 0; c < s_.channels; ++c) {
          const int64_t plane = image * s_.channels + c;
          const double up = dy[plane * s_.points + point];
          const float* pixels = x + plane * s_.pixels;
          for (int t = 0; t < taps.count; ++t) product[t] += up * pixels[taps.offset[t]];
        }
        const double factor = mask ? mask[s_.mask_at(image, point)] : 1;
        for (int d = 0; d < s_.dimensions; ++d) {
          double sum = 0;
          for (int t = 0; t < taps.count; ++t) sum += taps.slope[d][t] * product[t];
          dwhere[s_.where_at(image, point, d)] = static_cast<float>(factor * sum);
        }
        if (dmask == nullptr) continue;
        double value = 0;
        for (int t = 0; t < taps.count; ++t) value += taps.weight[t] * product[t];
        dmask[s_.mask_at(image, point)] = static_cast<float>(value);
      }
    });
  }

 private:
  PointSampling s_;
};

PointSampling sampling_of(const KernelRequest& request, const TensorType& image, size_t where) {
  return request.node->op.starts_with("Grid")
             ? grid_sampling(*request.node, image, request.input_types[where])
             : deform_sampling(*request.node, image, request.input_types[where]);
}

std::string sampling_refusal(const KernelRequest& request, const PointSampling& s) {
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  if (request.input_types[0].dtype != DType::f32) return "not f32";
  if (s.pixels > std::numeric_limits<int32_t>::max()) return "a plane of more than 2^31 pixels";
  return {};
}

Prepared prepare_planes(const KernelRequest& request, const TensorType& image, bool gradient) {
  const PointSampling s = sampling_of(request, image, 1);
  if (std::string why = sampling_refusal(request, s); !why.empty()) return refuse("{}", why);
  return std::make_unique<PlanesKernel>(s, gradient);
}

}  // namespace

Prepared prepare_point_sampling(const Context&, const KernelRequest& request) {
  return prepare_planes(request, request.input_types[0], false);
}

Prepared prepare_point_sampling_input_gradient(const Context&, const KernelRequest& request) {
  return prepare_planes(request, request.output_types[0], true);
}

Prepared prepare_point_sampling_point_gradient(const Context&, const KernelRequest& request) {
  const PointSampling s = sampling_of(request, request.input_types[1], 2);
  if (std::string why = sampling_refusal(request, s); !why.empty()) return refuse("{}", why);
  return std::make_unique<PointsKernel>(s);
}

}  // namespace headrace::cpu
