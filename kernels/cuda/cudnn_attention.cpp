#include "kernels/cuda/cudnn_families.h"
#include "kernels/cuda/cudnn_graphs.h"
#include "kernels/cuda/libraries.h"

// Attention by cuDNN's fused kernels, which keep of the scores a number for each row: for q, k and
// v of 16 bits alone, whose widths are multiples of eight. Which masks and widths a card has
// kernels for, its plans say: the gradient beside a bias has none on sm_100 that gives the same
// bits each time.
namespace headrace::cuda {
namespace {

// q, k and v stand at `first` and behind it, the bias at `bias`.
CudnnAttention attention_of(const KernelRequest& request, size_t first, size_t bias) {
  CudnnAttention attention{.dtype = request.input_types[first].dtype,
                           .q = request.input_types[first].shape,
                           .v = request.input_types[first + 2].shape,
                           .scale = request.node->attributes.get_float("scale"),
                           .causal = request.node->attributes.get_int("causal") != 0};
  if (!has_input(request, bias)) return attention;
  attention.bias = request.input_types[bias].shape;
  attention.bias.insert(attention.bias.begin(), 4 - attention.bias.size(), 1);
  return attention;
}

std::string refusal_of(const KernelRequest& request, size_t first) {
  const TensorType& q = request.input_types[first];
  if (!is_narrow_float(q.dtype)) return fmt::format("no {}", name_of(q.dtype));
  if (q.elements() == 0 || request.input_types[first + 2].elements() == 0) return "empty";
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  return {};
}

}  // namespace

Prepared prepare_cudnn_attention(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request, 0); !why.empty()) return refuse("{}", why);
  if (!has_output(request, 1)) return refuse("the log-sum-exp left out");
  const CudnnAnswer& answer = context.libraries->plans.ask(attention_of(request, 0, 3));
  if (!answer.plan) return refuse("{}", answer.refusal);
  return make_kernel(
      [plan = answer.plan, cudnn = context.libraries->cudnn,
       bias = has_input(request, 3)](const KernelArgs& args) {
        const auto& in = args.inputs;
        const auto& out = args.outputs;
        if (bias)
          plan->run(cudnn, {in[0], in[1], in[2], in[3], out[0], out[1]}, args.workspace);
        else
          plan->run(cudnn, {in[0], in[1], in[2], out[0], out[1]}, args.workspace);
      },
      -1, answer.plan->workspace_bytes());
}

// dy, q, k, v, y, log_sum_exp, [bias]
Prepared prepare_cudnn_attention_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of(request, 1); !why.empty()) return refuse("{}", why);
  for (const size_t o : {0, 1, 2})
    if (!has_output(request, o)) return refuse("a gradient left out");
  const CudnnAnswer& answer =
      context.libraries->plans.ask(CudnnAttentionGradient{attention_of(request, 1, 6)});
  if (!answer.plan) return refuse("{}", answer.refusal);
  return make_kernel(
      [plan = answer.plan, cudnn = context.libraries->cudnn,
       bias = has_input(request, 6)](const KernelArgs& args) {
        const auto& in = args.inputs;
        const auto& out = args.outputs;
        if (bias)
          plan->run(cudnn,
                    {in[1], in[2], in[3], in[4], in[0], in[5], in[6], out[0], out[1], out[2]},
                    args.workspace);
        else
          plan->run(cudnn, {in[1], in[2], in[3], in[4], in[0], in[5], out[0], out[1], out[2]},
                    args.workspace);
      },
      -1, answer.plan->workspace_bytes());
}

bool fuses_attention(const Context& context, const KernelRequest& request) {
  if (request.node->op != "Attention" || !refusal_of(request, 0).empty()) return false;
  const CudnnAttention attention = attention_of(request, 0, 3);
  CudnnPlans& plans = context.libraries->plans;
  return plans.ask(attention).plan != nullptr &&
         plans.ask(CudnnAttentionGradient{attention}).plan != nullptr;
}

}  // namespace headrace::cuda
