#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/primitive_kernel.h"

namespace headrace::cpu {
namespace {

using Desc = dnnl::memory::desc;
using Flags = dnnl::normalization_flags;
using NormalizationForward = dnnl::batch_normalization_forward;
using NormalizationBackward = dnnl::batch_normalization_backward;

bool has_relu(const Node& node) { return node.attributes.get_string("activation", "") == "relu"; }

Flags flags_of(const Node& node, bool frozen) {
  Flags flags = Flags::use_scale | Flags::use_shift;
  if (frozen) flags |= Flags::use_global_stats;
  if (has_relu(node)) flags |= Flags::fuse_norm_relu;
  return flags;
}

float epsilon_of(const Node& node) {
  return static_cast<float>(node.attributes.get_float("epsilon", 1e-5));
}

std::string batch_normalization_refusal(const KernelRequest& request, size_t image) {
  const TensorType& x = request.input_types[image];
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    const DType dtype = request.input_types[i].dtype;
    if (has_input(request, i) && dtype != DType::f32 && dtype != DType::u8) return "not f32";
  }
  if (x.elements() == 0) return "empty";
  if (x.rank() < 2 || x.rank() > 5) return fmt::format("rank {}", x.rank());
  if (request.input_layouts[image] != request.output_layouts[0]) return "layouts differ";
  return {};
}

// The training form, and what oneDNN leaves to us: the running statistics.
class TrainingKernel : public PrimitiveKernel {
 public:
  TrainingKernel(const Context& context, const NormalizationForward::primitive_desc& forward,
                 int64_t channels, double momentum, bool updates)
      : PrimitiveKernel(context, NormalizationForward(forward), forward.scratchpad_desc()),
        channels_(channels),
        momentum_(static_cast<float>(momentum)),
        share_(static_cast<float>(1 - momentum)),
        updates_(updates) {}

  void run(const KernelArgs& args) const override {
    PrimitiveKernel::run(args);
    if (!updates_) return;
    for (size_t statistic : {size_t{0}, size_t{1}}) {
      const auto* old = static_cast<const float*>(args.inputs[3 + statistic]);
      const auto* batch = static_cast<const float*>(args.outputs[1 + statistic]);
      auto* next = static_cast<float*>(args.outputs[3 + statistic]);
      if (next == nullptr) continue;
      for (int64_t c = 0; c < channels_; ++c) next[c] = momentum_ * old[c] + share_ * batch[c];
    }
  }

 private:
  int64_t channels_;
  float momentum_, share_;
  bool updates_;
};

// The mask of a fused ReLU is oneDNN's workspace, in the memory of a u8 of x's shape.
bool mask_fits(const Desc& workspace, const TensorType& x) {
  return static_cast<int64_t>(workspace.get_size()) <= x.elements();
}

Desc channels_desc(const TensorType& x) { return row_major_desc(DType::f32, {x.shape[1]}); }

LayoutProposal propose_like(const Context& context, const KernelRequest& request, size_t image) {
  LayoutProposal proposal = propose_row_major(context, request);
  const TensorType& x = request.input_types[image];
  for (size_t i = 0; i <= image; ++i) {
    proposal.inputs[i] = layout_like(request.input_layouts[image], x);
  }
  proposal.outputs[0] = layout_like(request.input_layouts[image], x);
  return proposal;
}

}  // namespace

LayoutProposal propose_batch_normalization(const Context& context, const KernelRequest& request) {
  return propose_like(context, request, 0);
}

LayoutProposal propose_batch_normalization_gradient(const Context& context,
                                                    const KernelRequest& request) {
  return propose_like(context, request, 1);
}

Prepared prepare_batch_normalization(const Context& context, const KernelRequest& request) {
  if (std::string why = batch_normalization_refusal(request, 0); !why.empty())
    return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  if (!has_output(request, 1) || !has_output(request, 2)) return refuse("statistics left out");
  const Node& node = *request.node;
  const TensorType& x = request.input_types[0];
  const Desc image = memory_desc(x, request.input_layouts[0]);
  const NormalizationForward::primitive_desc forward(engine(), dnnl::prop_kind::forward_training,
                                                     image, image, epsilon_of(node),
                                                     flags_of(node, false), user_scratchpad());
  auto kernel = std::make_unique<TrainingKernel>(context, forward, x.shape[1],
                                                 node.attributes.get_float("momentum", 0.9),
                                                 has_output(request, 3) || has_output(request, 4));
  kernel->bind_input(0, DNNL_ARG_SRC, image);
  kernel->bind_input(1, DNNL_ARG_SCALE, channels_desc(x));
  kernel->bind_input(2, DNNL_ARG_SHIFT, channels_desc(x));
  kernel->bind_output(0, DNNL_ARG_DST, image);
  kernel->bind_output(1, DNNL_ARG_MEAN, forward.mean_desc());
  kernel->bind_output(2, DNNL_ARG_VARIANCE, forward.variance_desc());
  if (has_relu(node)) {
    const Desc workspace = forward.workspace_desc();
    if (!mask_fits(workspace, x)) return refuse("the mask needs {} bytes", workspace.get_size());
    if (has_output(request, 5)) {
      kernel->bind_output(5, DNNL_ARG_WORKSPACE, workspace);
    } else {
      kernel->bind_workspace(DNNL_ARG_WORKSPACE, workspace);
    }
  }
  kernel->set_in_place(3, 3);
  kernel->set_in_place(4, 4);
  return kernel;
}

Prepared prepare_batch_normalization_inference(const Context& context,
                                               const KernelRequest& request) {
  if (std::string why = batch_normalization_refusal(request, 0); !why.empty())
    return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  const Node& node = *request.node;
  const TensorType& x = request.input_types[0];
  const Desc image = memory_desc(x, request.input_layouts[0]);
  const NormalizationForward::primitive_desc forward(engine(), dnnl::prop_kind::forward_inference,
                                                     image, image, epsilon_of(node),
                                                     flags_of(node, true), user_scratchpad());
  auto kernel = std::make_unique<PrimitiveKernel>(context, NormalizationForward(forward),
                                                  forward.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_SRC, image);
  kernel->bind_input(1, DNNL_ARG_SCALE, channels_desc(x));
  kernel->bind_input(2, DNNL_ARG_SHIFT, channels_desc(x));
  kernel->bind_input(3, DNNL_ARG_MEAN, channels_desc(x));
  kernel->bind_input(4, DNNL_ARG_VARIANCE, channels_desc(x));
  kernel->bind_output(0, DNNL_ARG_DST, image);
  kernel->set_in_place(0, 0);
  return kernel;
}

namespace {

Prepared prepare_gradient(const Context& context, const KernelRequest& request, bool frozen) {
  if (std::string why = batch_normalization_refusal(request, 1); !why.empty())
    return refuse("{}", why);
  if (accumulates(request, 0)) return refuse("does not accumulate the input's gradient");
  for (size_t i : {0, 1, 2}) {
    if (!has_output(request, i)) return refuse("a gradient left out");
  }
  const Node& node = *request.node;
  const TensorType& x = request.input_types[1];
  if (request.input_layouts[0] != request.input_layouts[1]) return refuse("layouts differ");
  const Desc image = memory_desc(x, request.input_layouts[1]);
  const Flags flags = flags_of(node, frozen);
  const NormalizationForward::primitive_desc forward(engine(), dnnl::prop_kind::forward_training,
                                                     image, image, epsilon_of(node), flags,
                                                     user_scratchpad());
  const NormalizationBackward::primitive_desc backward(engine(), dnnl::prop_kind::backward, image,
                                                       image, image, epsilon_of(node), flags,
                                                       forward, user_scratchpad());
  auto kernel = std::make_unique<PrimitiveKernel>(context, NormalizationBackward(backward),
                                                  backward.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_DIFF_DST, image);
  kernel->bind_input(1, DNNL_ARG_SRC, image);
  kernel->bind_input(2, DNNL_ARG_SCALE, channels_desc(x));
  kernel->bind_input(3, DNNL_ARG_MEAN, channels_desc(x));
  kernel->bind_input(4, DNNL_ARG_VARIANCE, channels_desc(x));
  kernel->bind_output(0, DNNL_ARG_DIFF_SRC, image);
  for (size_t i : {1, 2}) {
    const int argument = i == 1 ? DNNL_ARG_DIFF_SCALE : DNNL_ARG_DIFF_SHIFT;
    kernel->bind_output(i, argument, channels_desc(x), channels_desc(x), accumulates(request, i));
  }
  if (has_relu(node)) {
    const Desc workspace = forward.workspace_desc();
    if (!mask_fits(workspace, x)) return refuse("the mask needs {} bytes", workspace.get_size());
    kernel->bind_input(5, DNNL_ARG_WORKSPACE, workspace);
  }
  kernel->set_in_place(0, 0);
  return kernel;
}

}  // namespace

Prepared prepare_batch_normalization_gradient(const Context& context,
                                              const KernelRequest& request) {
  return prepare_gradient(context, request, false);
}

Prepared prepare_batch_normalization_inference_gradient(const Context& context,
                                                        const KernelRequest& request) {
  return prepare_gradient(context, request, true);
}

}  // namespace headrace::cpu
