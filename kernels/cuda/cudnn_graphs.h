#pragma once

#include <cudnn.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "graph/dtype.h"
#include "graph/tensor_type.h"

// What this backend asks of cuDNN's graph interface, as plain values: cuDNN's C++ frontend takes a
// minute to compile and is included by cudnn_graphs.cpp alone.
//
// Every graph accumulates in f32, whatever its tensors are stored in, and only engines that give
// the same bits each time are chosen.
//
// What is not here, and left to this backend's own kernels: pooling (the frontend has no backward
// of it, and the index that cuDNN keeps of a maximum is its own secret, while ours has a meaning,
// graph/ops/README.md); sums per channel (no engine makes them in 16 bits); chains of elementwise
// operators (an addition and a ReLU are fused over channels-last images and refused over row-major
// ones of four dimensions).
namespace headrace::cuda {

// Four or five dimensions [N, C, D...] and their strides in elements.
struct CudnnTensor {
  DType dtype = DType::f32;
  Shape dims, strides;
};

// A convolution or one of its gradients. The plan's pointers: the two tensors that are read in the
// order below, the bias, the one that is made.
struct CudnnConvolution {
  enum class Makes { destination, source, weights };
  Makes makes = Makes::destination;
  CudnnTensor source, weights, destination;  // weights [M, C/group, K...]
  Shape pads_begin, pads_end, strides, dilations;
  bool bias = false;  // of weights' dtype; as relu only with `destination`
  bool relu = false;
  bool tf32 = false;  // f32 factors may be rounded to TF32
};

// x, scale, bias, y, mean, inverse deviation, [mask]: statistics over all but the channels, f32 as
// scale and bias. With relu, y is what is left after it; the mask, a bit per element, is for the
// gradient.
struct CudnnBatchNormalization {
  CudnnTensor image;
  double epsilon = 0;
  bool relu = false;
};

// dy, x, scale, mean, inverse deviation, [mask], dx, dscale, dbias.
struct CudnnBatchNormalizationGradient {
  CudnnTensor image;
  bool relu = false;
};

// x [rows, length], scale, [bias], y, mean, inverse deviation, both f32 [rows].
struct CudnnLayerNormalization {
  DType dtype = DType::f32;
  int64_t rows = 0, length = 0;
  double epsilon = 0;
  bool bias = false;
};

// dy, x, scale, mean, inverse deviation, dx, dscale, dbias.
struct CudnnLayerNormalizationGradient {
  DType dtype = DType::f32;
  int64_t rows = 0, length = 0;
};

// q [B, H, S, D], k [B, H, T, D], v [B, H, T, E], [bias], y [B, H, S, E], log-sum-exp [B, H, S, 1]:
// softmax(scale q k^T + bias) v over row-major heads of 16 bits; the bias and what is kept of each
// row of the softmax are f32. causal: query i sees keys 0 to i.
struct CudnnAttention {
  DType dtype = DType::bf16;
  Shape q, v;       // k is [B, H, T, D]
  Shape bias = {};  // four dimensions that broadcast to [B, H, S, T]; empty: none
  double scale = 1;
  bool causal = false;
};

// q, k, v, y, dy, log-sum-exp, [bias], dq, dk, dv. By cuDNN's deterministic algorithm.
struct CudnnAttentionGradient {
  CudnnAttention of;
};

using CudnnGraph =
    std::variant<CudnnConvolution, CudnnBatchNormalization, CudnnBatchNormalizationGradient,
                 CudnnLayerNormalization, CudnnLayerNormalizationGradient, CudnnAttention,
                 CudnnAttentionGradient>;

// One line that tells apart whatever makes another plan.
std::string to_string(const CudnnGraph& graph);

// Whom plans are made for: a handle's device or, with a null handle, one that is only described, by
// cuDNN's JSON of device properties. A plan of the latter cannot run.
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  std::string properties = {};
  int sm_version = 0;  // 90 for compute capability 9.0
  // Bytes of workspace that a plan may take, where there is one that does with as many.
  size_t most_workspace = 0;
};

class CudnnPlan {
 public:
  virtual ~CudnnPlan() = default;
  virtual size_t workspace_bytes() const = 0;
  virtual const std::string& engine() const = 0;  // as cuDNN names it
  // On the handle's queue. Throws RunError.
  virtual void run(cudnnHandle_t handle, std::initializer_list<const void*> pointers,
                   void* workspace) const = 0;
  virtual std::vector<uint8_t> serialize() const = 0;
};

// A plan, or cuDNN's reason why there is none.
struct CudnnAnswer {
  std::shared_ptr<const CudnnPlan> plan;
  std::string refusal;
};

// The first plan that cuDNN supports, by its heuristics (mode A, then its fallback), whose
// workspace keeps to the target's limit; where none does, the one that takes least.
CudnnAnswer plan(const CudnnGraph& graph, const CudnnTarget& target);
// A plan from CudnnPlan::serialize, made for an equal device.
CudnnAnswer load_plan(const std::vector<uint8_t>& serialized, const CudnnTarget& target);

// Plans for one device, each graph asked for once.
class CudnnPlans {
 public:
  explicit CudnnPlans(CudnnTarget target) : target_(std::move(target)) {}
  const CudnnTarget& target() const { return target_; }
  const CudnnAnswer& ask(const CudnnGraph& graph);
  // Everything asked so far, by to_string.
  const std::map<std::string, CudnnAnswer>& answers() const { return answers_; }

 private:
  CudnnTarget target_;
  std::map<std::string, CudnnAnswer> answers_;
};

}  // namespace headrace::cuda
