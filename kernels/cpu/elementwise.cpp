#include <cmath>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

using vector::Gradient, vector::Unary;

struct Scalars {
  float alpha, beta;
};

// Attributes with ONNX's defaults.
Scalars scalars_of(const Node& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Attributes& a = node.attributes;
  if (node.op.starts_with("Clip")) {
    return {static_cast<float>(a.get_float("min", -kInfinity)),
            static_cast<float>(a.get_float("max", kInfinity))};
  }
  const double alpha = node.op.starts_with("Elu") ? 1.0 : node.op.starts_with("Leaky") ? 0.01 : 0.2;
  return {static_cast<float>(a.get_float("alpha", alpha)),
          static_cast<float>(a.get_float("beta", 0.5))};
}

template <typename Id>
struct Named {
  std::string_view op;
  Id id;
};

constexpr Named<Unary> kUnary[] = {
    {"Neg", Unary::neg},
    {"Abs", Unary::abs},
    {"Exp", Unary::exp},
    {"Log", Unary::log},
    {"Sqrt", Unary::sqrt},
    {"Reciprocal", Unary::reciprocal},
    {"Erf", Unary::erf},
    {"Tanh", Unary::tanh},
    {"Sigmoid", Unary::sigmoid},
    {"Relu", Unary::relu},
    {"Softplus", Unary::softplus},
    {"Sin", Unary::sin},
    {"Cos", Unary::cos},
    {"Sinh", Unary::sinh},
    {"Cosh", Unary::cosh},
    {"Asin", Unary::asin},
    {"Acos", Unary::acos},
    {"Atan", Unary::atan},
    {"Asinh", Unary::asinh},
    {"Acosh", Unary::acosh},
    {"Atanh", Unary::atanh},
    {"Floor", Unary::floor},
    {"Ceil", Unary::ceil},
    {"Round", Unary::round},
    {"Sign", Unary::sign},
    {"HardSigmoid", Unary::hard_sigmoid},
    {"HardSwish", Unary::hard_swish},
    {"Swish", Unary::swish},
    {"Mish", Unary::mish},
    {"LeakyRelu", Unary::leaky_relu},
    {"Elu", Unary::elu},
    {"Clip", Unary::clip},
    {"Gelu", Unary::gelu},
};

constexpr Named<Gradient> kGradients[] = {
    {"ReluGrad", Gradient::relu},
    {"TanhGrad", Gradient::tanh},
    {"SigmoidGrad", Gradient::sigmoid},
    {"GeluGrad", Gradient::gelu},
    {"LeakyReluGrad", Gradient::leaky_relu},
    {"EluGrad", Gradient::elu},
    {"HardSigmoidGrad", Gradient::hard_sigmoid},
    {"HardSwishGrad", Gradient::hard_swish},
    {"SwishGrad", Gradient::swish},
    {"MishGrad", Gradient::mish},
    {"SoftplusGrad", Gradient::softplus},
    {"ErfGrad", Gradient::erf},
    {"ClipGrad", Gradient::clip},
};

template <typename Id, size_t n>
Id id_of(const Named<Id> (&names)[n], const Node& node, Id tanh_form) {
  if (node.attributes.get_string("approximate", "none") == "tanh") return tanh_form;
  for (const auto& [op, id] : names) {
    if (op == node.op) return id;
  }
  throw InternalError(__FILE__, __LINE__, "operator is in the table", node.op);
}

class UnaryKernel : public Kernel {
 public:
  UnaryKernel(vector::UnaryLoop loop, int64_t count, Scalars scalars)
      : loop_(loop), count_(count), scalars_(scalars) {}
  int in_place_input(size_t) const override { return 0; }
  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    parallel_ranges(
        count_, 1,
        [&](int64_t begin, int64_t end) {
          loop_(x + begin, y + begin, end - begin, scalars_.alpha, scalars_.beta);
        },
        16);
  }

 private:
  vector::UnaryLoop loop_;
  int64_t count_;
  Scalars scalars_;
};

class GradientKernel : public Kernel {
 public:
  GradientKernel(vector::GradientLoop loop, int64_t count, Scalars scalars)
      : loop_(loop), count_(count), scalars_(scalars) {}
  int in_place_input(size_t) const override { return 0; }
  void run(const KernelArgs& args) const override {
    const auto* dy = static_cast<const float*>(args.inputs[0]);
    const auto* v = static_cast<const float*>(args.inputs[1]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    parallel_ranges(
        count_, 1,
        [&](int64_t begin, int64_t end) {
          loop_(dy + begin, v + begin, dx + begin, end - begin, scalars_.alpha, scalars_.beta);
        },
        16);
  }

 private:
  vector::GradientLoop loop_;
  int64_t count_;
  Scalars scalars_;
};

// Why one loop over all stored elements cannot serve the request; empty where it can.
std::string flat_refusal(const KernelRequest& request) {
  for (size_t i = 0; i < request.input_types.size(); ++i) {
    if (request.input_types[i].dtype != DType::f32) return "not f32";
    if (request.input_layouts[i] != request.output_layouts[0]) return "layouts differ";
  }
  if (request.output_types[0].dtype != DType::f32) return "not f32";
  if (accumulates(request)) return "does not accumulate";
  return {};
}

}  // namespace

Prepared prepare_unary(const Context&, const KernelRequest& request) {
  if (std::string why = flat_refusal(request); !why.empty()) return refuse("{}", why);
  const Unary id = id_of(kUnary, *request.node, Unary::gelu_tanh);
  const int64_t count = stored_elements(request.output_types[0], request.output_layouts[0]);
  return std::make_unique<UnaryKernel>(vector_table().elementwise->unary[vector::index(id)], count,
                                       scalars_of(*request.node));
}

Prepared prepare_unary_gradient(const Context&, const KernelRequest& request) {
  if (std::string why = flat_refusal(request); !why.empty()) return refuse("{}", why);
  const Gradient id = id_of(kGradients, *request.node, Gradient::gelu_tanh);
  const int64_t count = stored_elements(request.output_types[0], request.output_layouts[0]);
  return std::make_unique<GradientKernel>(vector_table().elementwise->gradient[vector::index(id)],
                                          count, scalars_of(*request.node));
}

}  // namespace headrace::cpu
