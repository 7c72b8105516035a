#include "kernels/cuda/channels.h"

#include <algorithm>
#include <cmath>

#include "graph/error.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/types.h"

namespace headrace::cuda {
namespace {

// Channels last, first half: sums over blocks of rows. Neighbouring threads read neighbours.
template <typename T>
struct BlockSums {
  const T* image;
  float* sums;  // [blocks, channels]
  int64_t rows, rows_per_block, channels;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t c = i % channels, first = i / channels * rows_per_block;
    const int64_t last = first + rows_per_block < rows ? first + rows_per_block : rows;
    float sum = 0;
    for (int64_t row = first; row < last; ++row) sum += to_f32(image[row * channels + c]);
    sums[i] = sum;
  }
};

// Second half: each channel's sums of blocks.
template <typename T>
struct SumOfBlocks {
  const float* block_sums;
  T* sums;
  int64_t blocks, channels;
  template <typename Members>
  HEADRACE_HOST_DEVICE void operator()(int64_t c, const Members& team) const {
    float sum = 0;
    for (int64_t b = team.rank; b < blocks; b += team.size) sum += block_sums[b * channels + c];
    sum = team.sum(sum);
    if (team.rank == 0) sums[c] = from_f32<T>(sum);
  }
};

// Row-major: one channel's planes in all images of the batch.
template <typename T>
struct PlaneSums {
  const T* image;
  T* sums;
  int64_t batch, channels, pixels;
  template <typename Members>
  HEADRACE_HOST_DEVICE void operator()(int64_t c, const Members& team) const {
    float sum = 0;
    for (int64_t n = 0; n < batch; ++n) {
      const T* plane = image + (n * channels + c) * pixels;
      for (int64_t p = team.rank; p < pixels; p += team.size) sum += to_f32(plane[p]);
    }
    sum = team.sum(sum);
    if (team.rank == 0) sums[c] = from_f32<T>(sum);
  }
};

constexpr int64_t kRowsPerBlock = 256;

int64_t blocks_of(const ChannelSums& s) {
  return (s.batch * s.pixels + kRowsPerBlock - 1) / kRowsPerBlock;
}

template <typename T>
void sum(Queue queue, const ChannelSums& s, const void* image, void* sums, void* workspace) {
  const auto* from = static_cast<const T*>(image);
  auto* to = static_cast<T*>(sums);
  if (!s.channels_last) {
    for_each_row(queue, s.channels, s.pixels,
                 PlaneSums<T>{from, to, s.batch, s.channels, s.pixels});
    return;
  }
  const int64_t blocks = blocks_of(s);
  auto* partial = static_cast<float*>(workspace);
  for_each(queue, blocks * s.channels,
           BlockSums<T>{from, partial, s.batch * s.pixels, kRowsPerBlock, s.channels});
  for_each_row(queue, s.channels, blocks, SumOfBlocks<T>{partial, to, blocks, s.channels});
}

template <typename T>
struct Addition {
  const T* from;
  T* to;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    to[i] = from_f32<T>(to_f32(to[i]) + to_f32(from[i]));
  }
};

template <typename T>
void add(Queue queue, int64_t count, const void* from, void* to) {
  for_each(queue, count, Addition<T>{static_cast<const T*>(from), static_cast<T*>(to)});
}

struct InverseDeviation {
  const float* variance;
  float* inverse;
  float epsilon;
  HEADRACE_HOST_DEVICE void operator()(int64_t c) const {
    inverse[c] = 1 / std::sqrt(variance[c] + epsilon);
  }
};

struct BatchStatistics {
  const float *batch_mean, *inverse;
  float* batch_variance;
  float epsilon;
  RunningStatistics running;
  HEADRACE_HOST_DEVICE void operator()(int64_t c) const {
    // Rounding may leave a little less than nothing.
    const float squared = 1 / (inverse[c] * inverse[c]);
    const float variance = squared > epsilon ? squared - epsilon : 0;
    batch_variance[c] = variance;
    const float old = running.momentum, share = 1 - running.momentum;
    if (running.mean != nullptr)
      running.mean[c] = old * running.old_mean[c] + share * batch_mean[c];
    if (running.variance != nullptr)
      running.variance[c] = old * running.old_variance[c] + share * variance;
  }
};

}  // namespace

ChannelSums::ChannelSums(const TensorType& image, const Layout& layout)
    : dtype(image.dtype),
      batch(image.shape[0]),
      channels(image.shape[1]),
      pixels(element_count(std::span(image.shape).subspan(2))),
      channels_last(layout.id == kChannelsLast) {}

size_t ChannelSums::workspace_bytes() const {
  return channels_last ? static_cast<size_t>(blocks_of(*this) * channels) * sizeof(float) : 0;
}

void ChannelSums::run(Queue queue, const void* image, void* sums, void* workspace) const {
  switch (dtype) {
    case DType::f32:
      return sum<float>(queue, *this, image, sums, workspace);
    case DType::f16:
      return sum<Float16>(queue, *this, image, sums, workspace);
    case DType::bf16:
      return sum<BFloat16>(queue, *this, image, sums, workspace);
    default:
      HEADRACE_CHECK(false, "sums of {}", name_of(dtype));
  }
}

void inverse_deviations(Queue queue, int64_t channels, const float* variance, float epsilon,
                        float* inverse) {
  for_each(queue, channels, InverseDeviation{variance, inverse, epsilon});
}

void batch_statistics(Queue queue, int64_t channels, const float* batch_mean, const float* inverse,
                      float epsilon, float* batch_variance, const RunningStatistics& running) {
  for_each(queue, channels, BatchStatistics{batch_mean, inverse, batch_variance, epsilon, running});
}

void add_to(Queue queue, const TensorType& type, const void* from, void* to) {
  switch (type.dtype) {
    case DType::f32:
      return add<float>(queue, type.elements(), from, to);
    case DType::f16:
      return add<Float16>(queue, type.elements(), from, to);
    case DType::bf16:
      return add<BFloat16>(queue, type.elements(), from, to);
    default:
      HEADRACE_CHECK(false, "sums of {}", name_of(type.dtype));
  }
}

}  // namespace headrace::cuda
