#include <algorithm>

#include "graph/error.h"
#include "kernels/cuda/channels.h"
#include "kernels/cuda/cudnn_families.h"
#include "kernels/cuda/cudnn_graphs.h"
#include "kernels/cuda/libraries.h"
#include "kernels/cuda/types.h"

// cuDNN keeps a batch's inverse deviation where the operator keeps its variance, and its running
// variance is the unbiased one: both are made here, channel by channel, beside its kernels. What it
// does not take: scale and statistics of 16 bits (batch normalisation), frozen statistics'
// gradient.
namespace headrace::cuda {
namespace {

float epsilon_of(const Node& node) {
  return static_cast<float>(node.attributes.get_float("epsilon", 1e-5));
}
bool has_relu(const Node& node) { return node.attributes.get_string("activation", "") == "relu"; }

constexpr size_t kLine = 256;
size_t in_lines(size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

// Batch normalisation

// Empty where cuDNN can be asked: x stands at `image`, scale behind it.
std::string refusal_of_batch(const KernelRequest& request, size_t image) {
  const TensorType& x = request.input_types[image];
  if (!is_stored_float(x.dtype)) return fmt::format("no {}", name_of(x.dtype));
  if (request.input_types[image + 1].dtype != DType::f32) return "statistics are not f32";
  if (x.elements() == 0) return "empty";
  if (x.rank() < 2 || x.rank() > 5) return fmt::format("rank {}", x.rank());
  for (size_t i = 0; i < image + 1; ++i)
    if (request.input_layouts[i] != request.output_layouts[0]) return "layouts differ";
  return {};
}

// Forward and gradient share a mask that only cuDNN reads, so both take a node or neither does: the
// gradient has no other ground to refuse than the forward kernel has, and both plans must exist.
std::string refusal_of_pair(CudnnPlans& plans, const CudnnTensor& image, float epsilon) {
  for (const CudnnGraph& graph : {CudnnGraph(CudnnBatchNormalization{image, epsilon, true}),
                                  CudnnGraph(CudnnBatchNormalizationGradient{image, true})})
    if (const CudnnAnswer& answer = plans.ask(graph); !answer.plan) return answer.refusal;
  return {};
}

class BatchNormalizationKernel : public Kernel {
 public:
  BatchNormalizationKernel(const Context& context, const KernelRequest& request,
                           std::shared_ptr<const CudnnPlan> plan)
      : queue_(context.queue),
        cudnn_(context.libraries->cudnn),
        plan_(std::move(plan)),
        channels_(request.input_types[0].shape[1]),
        epsilon_(epsilon_of(*request.node)),
        momentum_(static_cast<float>(request.node->attributes.get_float("momentum", 0.9))),
        mask_bytes_(has_relu(*request.node) && !has_output(request, 5)
                        ? static_cast<size_t>(request.input_types[0].elements())
                        : 0),
        relu_(has_relu(*request.node)) {}

  size_t workspace_bytes() const override {
    return deviations_at() + static_cast<size_t>(channels_) * sizeof(float);
  }
  // Running statistics in place of the old ones.
  int in_place_input(size_t output) const override {
    return output == 3 || output == 4 ? static_cast<int>(output) : -1;
  }

  void run(const KernelArgs& args) const override {
    auto* scratch = static_cast<std::byte*>(args.workspace);
    auto* deviations = reinterpret_cast<float*>(scratch + deviations_at());
    const void *x = args.inputs[0], *scale = args.inputs[1], *bias = args.inputs[2];
    void *y = args.outputs[0], *mean = args.outputs[1];
    if (relu_) {
      void* mask = mask_bytes_ > 0 ? scratch + in_lines(plan_->workspace_bytes()) : args.outputs[5];
      plan_->run(cudnn_, {x, scale, bias, y, mean, deviations, mask}, scratch);
    } else {
      plan_->run(cudnn_, {x, scale, bias, y, mean, deviations}, scratch);
    }
    batch_statistics(queue_, channels_, output<float>(args, 1), deviations, epsilon_,
                     output<float>(args, 2),
                     {input<float>(args, 3), input<float>(args, 4), output<float>(args, 3),
                      output<float>(args, 4), momentum_});
  }

 private:
  // The workspace: cuDNN's own, a mask that nobody keeps, the inverse deviations.
  size_t deviations_at() const {
    return in_lines(plan_->workspace_bytes()) + in_lines(mask_bytes_);
  }

  Queue queue_;
  cudnnHandle_t cudnn_;
  std::shared_ptr<const CudnnPlan> plan_;
  int64_t channels_;
  float epsilon_, momentum_;
  size_t mask_bytes_;
  bool relu_;
};

// cuDNN makes all three gradients and adds to none: what is left out or to be added to is made in
// the workspace.
class BatchNormalizationGradientKernel : public Kernel {
 public:
  BatchNormalizationGradientKernel(const Context& context, const KernelRequest& request,
                                   std::shared_ptr<const CudnnPlan> plan)
      : queue_(context.queue),
        cudnn_(context.libraries->cudnn),
        plan_(std::move(plan)),
        channels_(request.input_types[1].shape[1]),
        epsilon_(epsilon_of(*request.node)),
        relu_(has_relu(*request.node)),
        deviations_at_(in_lines(plan_->workspace_bytes())),
        end_(deviations_at_ + in_lines(static_cast<size_t>(channels_) * sizeof(float))) {
    for (size_t o = 0; o < 3; ++o) {
      Gradient& gradient = gradients_[o];
      gradient.type = request.output_types[o];
      gradient.is_added = has_output(request, o) && accumulates(request, o);
      gradient.is_direct = has_output(request, o) && !gradient.is_added;
      gradient.at = end_;
      if (!gradient.is_direct) end_ += in_lines(static_cast<size_t>(gradient.type.bytes()));
    }
  }

  size_t workspace_bytes() const override { return end_; }

  void run(const KernelArgs& args) const override {
    auto* scratch = static_cast<std::byte*>(args.workspace);
    auto* deviations = reinterpret_cast<float*>(scratch + deviations_at_);
    inverse_deviations(queue_, channels_, input<float>(args, 4), epsilon_, deviations);
    const auto& in = args.inputs;
    void* made[3];
    for (size_t o = 0; o < 3; ++o)
      made[o] = gradients_[o].is_direct ? args.outputs[o] : scratch + gradients_[o].at;
    if (relu_)
      plan_->run(cudnn_, {in[0], in[1], in[2], in[3], deviations, in[5], made[0], made[1], made[2]},
                 scratch);
    else
      plan_->run(cudnn_, {in[0], in[1], in[2], in[3], deviations, made[0], made[1], made[2]},
                 scratch);
    for (size_t o = 0; o < 3; ++o)
      if (const Gradient& gradient = gradients_[o]; gradient.is_added)
        add_to(queue_, gradient.type, made[o], args.outputs[o]);
  }

 private:
  struct Gradient {
    TensorType type;
    bool is_direct = false, is_added = false;
    size_t at = 0;  // in the workspace, behind cuDNN's own and the inverse deviations
  };

  Queue queue_;
  cudnnHandle_t cudnn_;
  std::shared_ptr<const CudnnPlan> plan_;
  int64_t channels_;
  float epsilon_;
  bool relu_;
  size_t deviations_at_, end_;
  Gradient gradients_[3];
};

// Layer normalisation

struct Rows {
  int64_t count = 1, length = 1;
};
Rows rows_of(const Shape& shape, int64_t axis) {
  Rows rows;
  for (size_t d = 0; d < shape.size(); ++d)
    (static_cast<int64_t>(d) < axis ? rows.count : rows.length) *= shape[d];
  return rows;
}

std::string refusal_of_layer(const Context& context, const KernelRequest& request,
                             const TensorType& x) {
  // There cuDNN compiles such a kernel for five to fifteen seconds, elsewhere for half of one.
  if (context.libraries->plans.target().sm_version < 90) return "slow to prepare before sm_90";
  if (!is_stored_float(x.dtype)) return fmt::format("no {}", name_of(x.dtype));
  if (x.elements() == 0) return "empty";
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  return {};
}

}  // namespace

Prepared prepare_cudnn_batch_normalization(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of_batch(request, 0); !why.empty()) return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  if (!has_output(request, 1) || !has_output(request, 2)) return refuse("statistics left out");
  const Node& node = *request.node;
  const CudnnTensor image = cudnn_image(request.input_types[0], request.input_layouts[0]);
  CudnnPlans& plans = context.libraries->plans;
  if (has_relu(node))
    if (std::string why = refusal_of_pair(plans, image, epsilon_of(node)); !why.empty())
      return refuse("{}", why);
  const CudnnAnswer& answer =
      plans.ask(CudnnBatchNormalization{image, epsilon_of(node), has_relu(node)});
  if (!answer.plan) return refuse("{}", answer.refusal);
  return std::make_unique<BatchNormalizationKernel>(context, request, answer.plan);
}

Prepared prepare_cudnn_batch_normalization_gradient(const Context& context,
                                                    const KernelRequest& request) {
  if (std::string why = refusal_of_batch(request, 1); !why.empty()) return refuse("{}", why);
  const Node& node = *request.node;
  const CudnnTensor image = cudnn_image(request.input_types[1], request.input_layouts[1]);
  CudnnPlans& plans = context.libraries->plans;
  if (has_relu(node))
    if (std::string why = refusal_of_pair(plans, image, epsilon_of(node)); !why.empty())
      return refuse("{}", why);
  const CudnnAnswer& answer = plans.ask(CudnnBatchNormalizationGradient{image, has_relu(node)});
  if (!answer.plan) return refuse("{}", answer.refusal);
  return std::make_unique<BatchNormalizationGradientKernel>(context, request, answer.plan);
}

Prepared prepare_cudnn_layer_normalization(const Context& context, const KernelRequest& request) {
  const TensorType& x = request.input_types[0];
  if (std::string why = refusal_of_layer(context, request, x); !why.empty())
    return refuse("{}", why);
  if (!has_output(request, 1) || !has_output(request, 2)) return refuse("statistics left out");
  const Rows rows = rows_of(x.shape, request.node->attributes.get_int("axis"));
  const bool bias = has_input(request, 2);
  const CudnnAnswer& answer = context.libraries->plans.ask(
      CudnnLayerNormalization{x.dtype, rows.count, rows.length, epsilon_of(*request.node), bias});
  if (!answer.plan) return refuse("{}", answer.refusal);
  return make_kernel(
      [plan = answer.plan, cudnn = context.libraries->cudnn, bias](const KernelArgs& args) {
        const auto& in = args.inputs;
        const auto& out = args.outputs;
        if (bias)
          plan->run(cudnn, {in[0], in[1], in[2], out[0], out[1], out[2]}, args.workspace);
        else
          plan->run(cudnn, {in[0], in[1], out[0], out[1], out[2]}, args.workspace);
      },
      -1, answer.plan->workspace_bytes());
}

Prepared prepare_cudnn_layer_normalization_gradient(const Context& context,
                                                    const KernelRequest& request) {
  const TensorType& x = request.input_types[1];
  if (std::string why = refusal_of_layer(context, request, x); !why.empty())
    return refuse("{}", why);
  for (size_t o : {0, 1})
    if (!has_output(request, o)) return refuse("a gradient left out");
  const Rows rows = rows_of(x.shape, request.node->attributes.get_int("axis"));
  const CudnnAnswer& answer = context.libraries->plans.ask(
      CudnnLayerNormalizationGradient{x.dtype, rows.count, rows.length});
  if (!answer.plan) return refuse("{}", answer.refusal);
  const size_t own = in_lines(answer.plan->workspace_bytes());
  const bool bias = has_output(request, 2);
  // cuDNN always makes the bias's gradient.
  const size_t unread = bias ? 0 : static_cast<size_t>(rows.length) * size_of(x.dtype);
  return make_kernel(
      [plan = answer.plan, cudnn = context.libraries->cudnn, own, bias](const KernelArgs& args) {
        const auto& in = args.inputs;
        const auto& out = args.outputs;
        void* dbias = bias ? out[2] : static_cast<std::byte*>(args.workspace) + own;
        plan->run(cudnn, {in[0], in[1], in[2], in[3], in[4], out[0], out[1], dbias},
                  args.workspace);
      },
      -1, own + unread);
}

}  // namespace headrace::cuda
