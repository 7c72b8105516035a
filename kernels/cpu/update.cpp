#include <cmath>

#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

StepContext step_of(const KernelArgs& args) { return args.step ? *args.step : StepContext{}; }

class AdamKernel : public Kernel {
 public:
  AdamKernel(const Attributes& a, int64_t count)
      : beta1_(a.get_float("beta1", 0.9)),
        beta2_(a.get_float("beta2", 0.999)),
        epsilon_(a.get_float("epsilon", 1e-8)),
        weight_decay_(a.get_float("weight_decay", 0)),
        decoupled_(a.get_int("decoupled", 0) != 0),
        count_(count) {}

  int in_place_input(size_t output) const override {
    constexpr int kInputs[] = {0, 2, 3};
    return kInputs[output];
  }

  void run(const KernelArgs& args) const override {
    const StepContext context = step_of(args);
    const auto t = static_cast<double>(context.step + 1);
    const double correction1 = 1 - std::pow(beta1_, t), correction2 = 1 - std::pow(beta2_, t);
    const auto f = [](double x) { return static_cast<float>(x); };
    const vector::AdamStep step{
        .gradient_scale = f(context.gradient_scale),
        .beta2 = f(beta2_),
        .epsilon = f(epsilon_),
        .gradient_share1 = f(1 - beta1_),
        .gradient_share2 = f(1 - beta2_),
        .coupled_decay = decoupled_ ? 0.0f : f(weight_decay_),
        .parameter_scale = decoupled_ ? f(1 - context.learning_rate * weight_decay_) : 1.0f,
        .step_size = f(context.learning_rate / correction1),
        .inv_sqrt_correction = f(1 / std::sqrt(correction2)),
    };
    const auto in = [&](size_t i) { return static_cast<const float*>(args.inputs[i]); };
    const auto out = [&](size_t i) { return static_cast<float*>(args.outputs[i]); };
    parallel_ranges(
        count_, 4,
        [&](int64_t begin, int64_t end) {
          vector_table().update->adam(in(0) + begin, in(1) + begin, in(2) + begin, in(3) + begin,
                                      out(0) + begin, out(1) + begin, out(2) + begin, end - begin,
                                      step);
        },
        16);
  }

 private:
  double beta1_, beta2_, epsilon_, weight_decay_;
  bool decoupled_;
  int64_t count_;
};

class SgdKernel : public Kernel {
 public:
  SgdKernel(const Attributes& a, int64_t count, bool has_momentum)
      : momentum_(a.get_float("momentum", 0)),
        dampening_(a.get_float("dampening", 0)),
        weight_decay_(a.get_float("weight_decay", 0)),
        nesterov_(a.get_int("nesterov", 0) != 0),
        has_momentum_(has_momentum),
        count_(count) {}

  int in_place_input(size_t output) const override { return output == 0 ? 0 : 2; }

  void run(const KernelArgs& args) const override {
    const StepContext context = step_of(args);
    // In the first step the buffer becomes the gradient itself, without dampening.
    const bool first = context.step == 0;
    const vector::SgdStep step{
        .gradient_scale = static_cast<float>(context.gradient_scale),
        .rate = static_cast<float>(context.learning_rate),
        .weight_decay = static_cast<float>(weight_decay_),
        .momentum = static_cast<float>(momentum_),
        .momentum_kept = first ? 0.0f : static_cast<float>(momentum_),
        .gradient_share = first ? 1.0f : static_cast<float>(1 - dampening_),
        .nesterov = nesterov_,
    };
    const auto in = [&](size_t i) { return static_cast<const float*>(args.inputs[i]); };
    const auto out = [&](size_t i) { return static_cast<float*>(args.outputs[i]); };
    const vector::UpdateTable& loops = *vector_table().update;
    parallel_ranges(
        count_, 3,
        [&](int64_t begin, int64_t end) {
          if (has_momentum_) {
            loops.sgd_momentum(in(0) + begin, in(1) + begin, in(2) + begin, out(0) + begin,
                               out(1) + begin, end - begin, step);
          } else {
            loops.sgd(in(0) + begin, in(1) + begin, out(0) + begin, end - begin, step);
          }
        },
        16);
  }

 private:
  double momentum_, dampening_, weight_decay_;
  bool nesterov_, has_momentum_;
  int64_t count_;
};

}  // namespace

std::string refusal_of_update(const KernelRequest& request) {
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    if (!has_input(request, i)) continue;
    if (request.input_types[i].dtype != DType::f32) return "not f32";
    if (request.input_layouts[i].id != request.input_layouts[0].id) return "layouts differ";
  }
  for (size_t i = 0; i < request.output_types.size(); ++i) {
    if (has_output(request, i) && request.output_layouts[i].id != request.input_layouts[0].id) {
      return "layouts differ";
    }
  }
  if (accumulates(request)) return "does not accumulate";
  return {};
}

LayoutProposal propose_update(const Context& context, const KernelRequest& request) {
  LayoutProposal proposal = propose_row_major(context, request);
  for (size_t i = 0; i < proposal.inputs.size(); ++i) {
    if (has_input(request, i)) proposal.inputs[i] = request.input_layouts[0];
  }
  for (size_t i = 0; i < proposal.outputs.size(); ++i) {
    if (has_output(request, i)) proposal.outputs[i] = request.input_layouts[0];
  }
  return proposal;
}

LayoutProposal propose_squared_norm(const Context& context, const KernelRequest& request) {
  LayoutProposal proposal = propose_row_major(context, request);
  proposal.inputs[0] = request.input_layouts[0];
  return proposal;
}

Prepared prepare_adam(const Context&, const KernelRequest& request) {
  if (std::string why = refusal_of_update(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<AdamKernel>(
      request.node->attributes, stored_elements(request.input_types[0], request.input_layouts[0]));
}

Prepared prepare_sgd(const Context&, const KernelRequest& request) {
  if (std::string why = refusal_of_update(request); !why.empty()) return refuse("{}", why);
  if (has_input(request, 2) != has_output(request, 1)) return refuse("a momentum left out");
  return std::make_unique<SgdKernel>(
      request.node->attributes, stored_elements(request.input_types[0], request.input_layouts[0]),
      has_input(request, 2));
}

}  // namespace headrace::cpu
