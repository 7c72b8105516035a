#pragma once

#include "graph/tensor_type.h"
#include "kernels/cuda/queue.h"
#include "kernels/kernel.h"

// What cuDNN's convolutions and normalisations leave to be done, most of it channel by channel.
namespace headrace::cuda {

// An image [N, C, D...] of f32, f16 or bf16 as its sums per channel are made: rows of channels side
// by side with channels last, else planes of one channel.
struct ChannelSums {
  DType dtype = DType::f32;
  int64_t batch = 0, channels = 0, pixels = 0;
  bool channels_last = false;

  ChannelSums(const TensorType& image, const Layout& layout);
  size_t workspace_bytes() const;
  // sums: [C] of the image's dtype, accumulated in f32, each time in the same order.
  void run(Queue queue, const void* image, void* sums, void* workspace) const;
};

// Per channel the inverse deviation 1 / sqrt(variance + epsilon), all f32.
void inverse_deviations(Queue queue, int64_t channels, const float* variance, float epsilon,
                        float* inverse);

// The other way, and the running statistics, momentum old + (1 - momentum) batch. Each running one
// may be left out (null) and may take over the memory of the old one.
struct RunningStatistics {
  const float *old_mean = nullptr, *old_variance = nullptr;
  float *mean = nullptr, *variance = nullptr;
  float momentum = 0;
};
void batch_statistics(Queue queue, int64_t channels, const float* batch_mean, const float* inverse,
                      float epsilon, float* batch_variance, const RunningStatistics& running);

// to[i] += from[i] of f32, f16 or bf16, added in f32.
void add_to(Queue queue, const TensorType& type, const void* from, void* to);

}  // namespace headrace::cuda
