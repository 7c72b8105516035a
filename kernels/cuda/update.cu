#include <cmath>

#include "kernels/cuda/families.h"
#include "kernels/cuda/totals.h"
#include "kernels/functors/updates.h"
#include "kernels/update_steps.h"

// Parameters and states are f32; the step's numbers go to the kernel by value.
namespace headrace::cuda {
namespace {

// parameter, gradient and up to two states, by the operators' order.
struct Tensors {
  const float *parameter, *gradient, *state[2];
  float *next, *next_state[2];

  explicit Tensors(const KernelArgs& args)
      : parameter(input<float>(args, 0)),
        gradient(input<float>(args, 1)),
        state{optional_input(args, 2), optional_input(args, 3)},
        next(output<float>(args, 0)),
        next_state{optional_output(args, 1), optional_output(args, 2)} {}

 private:
  static const float* optional_input(const KernelArgs& args, size_t i) {
    return i < args.inputs.size() ? input<float>(args, i) : nullptr;
  }
  static float* optional_output(const KernelArgs& args, size_t o) {
    return o < args.outputs.size() ? output<float>(args, o) : nullptr;
  }
};

struct Adam {
  Tensors t;
  AdamStep step;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const auto r =
        portable::adam_update(t.parameter[i], t.gradient[i], t.state[0][i], t.state[1][i], step);
    t.next[i] = r.parameter;
    t.next_state[0][i] = r.m;
    t.next_state[1][i] = r.v;
  }
};

struct Sgd {
  Tensors t;
  SgdStep step;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    if (t.state[0] == nullptr) {
      t.next[i] = portable::sgd_update(t.parameter[i], t.gradient[i], step);
      return;
    }
    const auto r =
        portable::sgd_momentum_update(t.parameter[i], t.gradient[i], t.state[0][i], step);
    t.next[i] = r.parameter;
    t.next_state[0][i] = r.momentum;
  }
};

struct Lion {
  Tensors t;
  LionStep step;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const auto r = portable::lion_update(t.parameter[i], t.gradient[i], t.state[0][i], step);
    t.next[i] = r.parameter;
    t.next_state[0][i] = r.state;
  }
};

struct Rmsprop {
  Tensors t;
  RmspropStep step;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const float parameter = t.parameter[i];
    const auto r = portable::rmsprop_direction(parameter, t.gradient[i], t.state[0][i], step);
    float direction = r.direction;
    if (t.state[1] != nullptr) {
      direction += step.momentum * t.state[1][i];
      t.next_state[1][i] = direction;
    }
    t.next[i] = parameter - step.rate * direction;
    t.next_state[0][i] = r.v;
  }
};

struct Adagrad {
  Tensors t;
  AdagradStep step;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const auto r = portable::adagrad_update(t.parameter[i], t.gradient[i], t.state[0][i], step);
    t.next[i] = r.parameter;
    t.next_state[0][i] = r.state;
  }
};

// LAMB in three passes: moments, norms, parameter.
struct LambMoments {
  Tensors t;
  LambStep step;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const auto r = portable::lamb_moments(t.gradient[i], t.state[0][i], t.state[1][i], step);
    t.next_state[0][i] = r.m;
    t.next_state[1][i] = r.v;
  }
};

struct LambNorms {
  static constexpr int kTotals = 2;
  Tensors t;
  LambStep step;
  HEADRACE_HOST_DEVICE double start() const { return 0; }
  HEADRACE_HOST_DEVICE double two(double a, double b) const { return a + b; }
  HEADRACE_HOST_DEVICE int64_t origin(int64_t) const { return 0; }
  HEADRACE_HOST_DEVICE void add(int64_t, int64_t, int64_t i, double (&totals)[2]) const {
    const auto parameter = static_cast<double>(t.parameter[i]);
    const auto direction = static_cast<double>(
        portable::lamb_direction(t.parameter[i], t.next_state[0][i], t.next_state[1][i], step));
    totals[0] += parameter * parameter;
    totals[1] += direction * direction;
  }
};

// The rate, scaled by the parameter's norm over the direction's where neither is 0.
struct LambLength {
  float* length;
  double rate;
  HEADRACE_HOST_DEVICE void operator()(int64_t, const double (&totals)[2]) const {
    const bool scaled = totals[0] > 0 && totals[1] > 0;
    *length = static_cast<float>(rate * (scaled ? sqrt(totals[0] / totals[1]) : 1.0));
  }
};

struct LambParameter {
  Tensors t;
  LambStep step;
  const float* length;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const float parameter = t.parameter[i];
    t.next[i] = parameter - *length * portable::lamb_direction(parameter, t.next_state[0][i],
                                                               t.next_state[1][i], step);
  }
};

std::string refusal_of(const KernelRequest& request) {
  if (accumulates(request)) return "does not accumulate";
  const uint16_t layout = request.input_layouts[0].id;
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    if (!has_input(request, i)) continue;
    if (request.input_types[i].dtype != DType::f32) return "not f32";
    if (request.input_layouts[i].id != layout) return "layouts differ";
  }
  for (size_t o = 0; o < request.output_types.size(); ++o)
    if (has_output(request, o) && request.output_layouts[o].id != layout) return "layouts differ";
  return {};
}

// Each output takes over the memory of the like-named input.
template <typename Run>
class UpdateKernel : public QueuedKernel<Run> {
 public:
  UpdateKernel(Run run, size_t workspace_bytes)
      : QueuedKernel<Run>(std::move(run), workspace_bytes, 0) {}
  int in_place_input(size_t output) const override {
    return output == 0 ? 0 : static_cast<int>(output) + 1;
  }
};

template <typename Run>
Prepared make_update(const KernelRequest& request, Run run, size_t workspace_bytes = 0) {
  if (std::string why = refusal_of(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<UpdateKernel<Run>>(std::move(run), workspace_bytes);
}

template <typename Body, auto step_of>
Prepared prepare_each(const Context& context, const KernelRequest& request) {
  return make_update(request, [queue = context.queue, count = request.input_types[0].elements(),
                               a = request.node->attributes](const KernelArgs& args) {
    for_each(queue, count, Body{Tensors(args), step_of(a, *args.step)});
  });
}

}  // namespace

LayoutProposal propose_update(const Context&, const KernelRequest& request) {
  LayoutProposal proposal = row_major_proposal(request);
  for (size_t i = 0; i < proposal.inputs.size(); ++i)
    if (has_input(request, i)) proposal.inputs[i] = request.input_layouts[0];
  for (size_t o = 0; o < proposal.outputs.size(); ++o)
    if (has_output(request, o)) proposal.outputs[o] = request.input_layouts[0];
  return proposal;
}

Prepared prepare_adam(const Context& context, const KernelRequest& request) {
  return prepare_each<Adam, adam_step>(context, request);
}
Prepared prepare_sgd(const Context& context, const KernelRequest& request) {
  if (has_input(request, 2) != has_output(request, 1)) return refuse("a momentum left out");
  return prepare_each<Sgd, sgd_step>(context, request);
}
Prepared prepare_lion(const Context& context, const KernelRequest& request) {
  return prepare_each<Lion, lion_step>(context, request);
}
Prepared prepare_rmsprop(const Context& context, const KernelRequest& request) {
  if (has_input(request, 3) != has_output(request, 2)) return refuse("a momentum left out");
  return prepare_each<Rmsprop, rmsprop_step>(context, request);
}
Prepared prepare_adagrad(const Context& context, const KernelRequest& request) {
  return prepare_each<Adagrad, adagrad_step>(context, request);
}

Prepared prepare_lamb(const Context& context, const KernelRequest& request) {
  const int64_t count = request.input_types[0].elements();
  const Cut cut(1, count, true);
  return make_update(
      request,
      [=, queue = context.queue, a = request.node->attributes](const KernelArgs& args) {
        const LambStep step = lamb_step(a, *args.step);
        const Tensors t(args);
        auto* length = static_cast<float*>(args.workspace);
        for_each(queue, count, LambMoments{t, step});
        run_totals(queue, cut, LambNorms{t, step}, LambLength{length, args.step->learning_rate},
                   static_cast<std::byte*>(args.workspace) + sizeof(double));
        for_each(queue, count, LambParameter{t, step, length});
      },
      sizeof(double) + cut.bytes(2));
}

}  // namespace headrace::cuda
