#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

StepContext step_of(const KernelArgs& args) { return args.step ? *args.step : StepContext{}; }

class AdamKernel : public Kernel {
 public:
  AdamKernel(const Attributes& attributes, int64_t count)
      : attributes_(attributes), count_(count) {}

  int in_place_input(size_t output) const override {
    constexpr int kInputs[] = {0, 2, 3};
    return kInputs[output];
  }

  void run(const KernelArgs& args) const override {
    const AdamStep step = adam_step(attributes_, step_of(args));
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
  Attributes attributes_;
  int64_t count_;
};

class SgdKernel : public Kernel {
 public:
  SgdKernel(const Attributes& attributes, int64_t count, bool has_momentum)
      : attributes_(attributes), has_momentum_(has_momentum), count_(count) {}

  int in_place_input(size_t output) const override { return output == 0 ? 0 : 2; }

  void run(const KernelArgs& args) const override {
    const SgdStep step = sgd_step(attributes_, step_of(args));
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
  Attributes attributes_;
  bool has_momentum_;
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
