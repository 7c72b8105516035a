#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "kernels/cuda/implementation.h"
#include "kernels/cuda/layouts.h"
#include "kernels/evaluate.h"
#include "kernels/functors/floats.h"
#include "tests/kernels/operator_case.h"
#include "tests/kernels/twin_device.h"

// The CUDA backend's own kernels on narrow floats: they compute in f32 and round once, so that from
// operands that both types hold they give exactly what the f32 kernel gives, rounded.
namespace headrace {
namespace {

// Statistics, losses and batch normalisation's scales stay f32 beside narrow data.
bool stays_f32(const std::string& op, size_t input) {
  if (op == "LayerNormalizationGrad") return input >= 3;
  if (op == "BatchNormalization" || op == "BatchNormalizationInference") return input >= 1;
  if (op.starts_with("BatchNormalization")) return input >= 2;
  if (op == "SoftmaxCrossEntropyGrad") return input == 0 || input >= 4;
  for (const char* loss : {"NegativeLogLikelihoodGrad", "MeanSquaredErrorGrad",
                           "BinaryCrossEntropyGrad", "BinaryCrossEntropyWithLogitsGrad"})
    if (op == loss) return input == 0;
  return false;
}

uint16_t narrowed(DType dtype, float x) {
  return dtype == DType::f16 ? portable::from_f32<portable::Float16>(x).bits
                             : portable::from_f32<portable::BFloat16>(x).bits;
}
float widened(DType dtype, uint16_t bits) {
  return dtype == DType::f16 ? portable::to_f32(portable::Float16{bits})
                             : portable::to_f32(portable::BFloat16{bits});
}

HostTensor rounded(DType dtype, const HostTensor& x) {
  auto [tensor, bytes] = allocate_host_tensor(x.type);
  const auto from = x.as<float>();
  for (size_t i = 0; i < from.size(); ++i)
    reinterpret_cast<float*>(bytes)[i] = widened(dtype, narrowed(dtype, from[i]));
  return tensor;
}
HostTensor as_narrow(DType dtype, const HostTensor& x) {
  auto [tensor, bytes] = allocate_host_tensor({dtype, x.type.shape});
  const auto from = x.as<float>();
  for (size_t i = 0; i < from.size(); ++i)
    reinterpret_cast<uint16_t*>(bytes)[i] = narrowed(dtype, from[i]);
  return tensor;
}

// A node alone in a graph, run by the kernel that the twin has of its own.
class Alone {
 public:
  Alone(const Node& node, const std::vector<HostTensor>& inputs,
        const std::vector<bool>& constants) {
    Node own{node.op, node.name, {}, {}, node.attributes};
    for (size_t i = 0; i < inputs.size(); ++i) {
      ValueId id = kNoValue;
      const std::string name = fmt::format("input{}", i);
      if (inputs[i])
        id = constants[i] ? graph_.add_constant(name, inputs[i])
                          : graph_.add_input(name, inputs[i].type);
      own.inputs.push_back(id);
    }
    graph_.add_node(std::move(own));
    request_ = kernel_request(graph_, graph_.nodes().back());
    inputs_ = inputs;
  }

  // In the layouts that the operator asks for, or row-major.
  bool prepare(bool row_major = false) {
    const cuda::OperatorEntry* entry = cuda::find_operator(request_.node->op);
    if (entry == nullptr) return false;
    if (!row_major) {
      const LayoutProposal proposal = entry->propose({}, request_);
      request_.input_layouts = proposal.inputs;
      request_.output_layouts = proposal.outputs;
    }
    for (const auto& implementation : entry->implementations)
      if (Prepared prepared = implementation.prepare({}, request_); prepared.kernel) {
        kernel_ = std::move(prepared.kernel);
        return true;
      }
    return false;
  }

  std::vector<HostTensor> run(const StepContext& step) {
    std::vector<HostTensor> laid(inputs_.size()), made, results;
    std::vector<const void*> in;
    std::vector<void*> out;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i]) {
        in.push_back(nullptr);
        continue;
      }
      auto [tensor, bytes] = allocate_host_tensor(inputs_[i].type);
      cuda::convert(inputs_[i].type, {}, request_.input_layouts[i], inputs_[i].data.get(), bytes);
      laid[i] = tensor;
      in.push_back(bytes);
    }
    for (const TensorType& type : request_.output_types) {
      auto [tensor, bytes] = allocate_host_tensor(type);
      std::memset(bytes, 0xFF, static_cast<size_t>(type.bytes()));
      made.push_back(tensor);
      out.push_back(bytes);
    }
    const auto workspace = std::make_unique<uint64_t[]>(kernel_->workspace_bytes() / 8 + 1);
    kernel_->run({in, out, workspace.get(), &step});
    for (size_t o = 0; o < made.size(); ++o) {
      auto [tensor, bytes] = allocate_host_tensor(made[o].type);
      cuda::convert(made[o].type, request_.output_layouts[o], {}, made[o].data.get(), bytes);
      results.push_back(tensor);
    }
    return results;
  }

 private:
  Graph graph_;
  KernelRequest request_;
  std::vector<HostTensor> inputs_;
  std::unique_ptr<Kernel> kernel_;
};

void expect_rounded(DType dtype, const HostTensor& wide, const HostTensor& narrow) {
  if (wide.type == narrow.type) {
    EXPECT_EQ(
        std::memcmp(wide.data.get(), narrow.data.get(), static_cast<size_t>(wide.type.bytes())), 0)
        << to_string(wide.type) << " differs";
    return;
  }
  ASSERT_EQ(narrow.type.dtype, dtype);
  const auto wanted = wide.as<float>();
  const auto* got = reinterpret_cast<const uint16_t*>(narrow.data.get());
  size_t wrong = 0, first = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const bool both_nan = std::isnan(wanted[i]) && std::isnan(widened(dtype, got[i]));
    if (!both_nan && narrowed(dtype, wanted[i]) != got[i] && wrong++ == 0) first = i;
  }
  EXPECT_EQ(wrong, 0u) << "[" << first << "] is " << widened(dtype, got[first]) << ", "
                       << wanted[first] << " in f32";
}

// The reference's values of all of a case, rounded to f32 where they are floats.
Feeds values_of(const OperatorCase& c) {
  GraphEvaluator evaluator(c.graph(), {.in_f64 = true, .step = c.step});
  std::vector<ValueId> ids;
  for (size_t v = 0; v < c.graph().values().size(); ++v) ids.push_back(static_cast<ValueId>(v));
  const auto tensors = evaluator.run(c.feeds, ids);
  Feeds values;
  for (size_t v = 0; v < ids.size(); ++v)
    values[ids[v]] = rounded_to(c.graph().values()[v].type, tensors[v]);
  return values;
}

size_t check_node(const OperatorCase& c, const Node& node, const Feeds& values, DType dtype) {
  std::vector<HostTensor> wide, narrow;
  std::vector<bool> constants;
  bool any = false;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    HostTensor value = id == kNoValue ? HostTensor{} : values.at(id);
    constants.push_back(id != kNoValue && c.graph().value(id).role == Role::constant);
    const bool narrows = value && value.type.dtype == DType::f32 && !stays_f32(node.op, i);
    wide.push_back(narrows ? rounded(dtype, value) : value);
    narrow.push_back(narrows ? as_narrow(dtype, value) : value);
    any = any || narrows;
  }
  Alone in_f32(node, wide, constants);
  // Optimizers keep f32, and a Cast is its own rounding.
  if (!any || node.op.ends_with("Update") || node.op == "Cast" || !in_f32.prepare()) return 0;
  SCOPED_TRACE(fmt::format("{} in {}", describe(c.graph(), node), name_of(dtype)));
  Alone in_narrow(node, narrow, constants);
  if (!in_narrow.prepare()) {
    ADD_FAILURE() << "no kernel";
    return 0;
  }
  const auto wanted = in_f32.run(c.step), got = in_narrow.run(c.step);
  for (size_t o = 0; o < wanted.size(); ++o) expect_rounded(dtype, wanted[o], got[o]);
  return 1;
}

class TwinInNarrowFloats : public testing::TestWithParam<DType> {};

TEST_P(TwinInNarrowFloats, RoundsWhatF32Gives) {
  size_t nodes = 0;
  std::set<std::string> ops;
  for (const OperatorRow& row : operator_table()) {
    if (cuda::find_operator(row.op) == nullptr) continue;
    const OperatorCase c = make_case(row);
    const Feeds values = values_of(c);
    for (const Node* node : c.nodes()) {
      const size_t checked = check_node(c, *node, values, GetParam());
      nodes += checked;
      if (checked > 0) ops.insert(node->op);
    }
  }
  EXPECT_GT(ops.size(), 100u);
  EXPECT_GT(nodes, 500u);
}

// What asks for channels last gives the same from row-major images, but for the order of sums.
TEST(Twin, ImagesInEitherLayout) {
  size_t checked = 0;
  for (const OperatorRow& row : operator_table()) {
    if (row.op.find("Pool") == std::string::npos && row.op.find("BatchNorm") == std::string::npos &&
        row.op != "Resample")
      continue;
    const OperatorCase c = make_case(row);
    const Feeds values = values_of(c);
    for (const Node* node : c.nodes()) {
      std::vector<HostTensor> inputs;
      std::vector<bool> constants;
      for (ValueId id : node->inputs) {
        inputs.push_back(id == kNoValue ? HostTensor{} : values.at(id));
        constants.push_back(id != kNoValue && c.graph().value(id).role == Role::constant);
      }
      Alone last(*node, inputs, constants), row_major(*node, inputs, constants);
      if (!last.prepare() || !row_major.prepare(true)) continue;
      SCOPED_TRACE(describe(c.graph(), *node));
      const auto wanted = last.run(c.step), got = row_major.run(c.step);
      for (size_t o = 0; o < wanted.size(); ++o) {
        if (wanted[o].type.dtype != DType::f32) {
          expect_rounded(DType::f32, wanted[o], got[o]);
          continue;
        }
        const auto a = wanted[o].as<float>(), b = got[o].as<float>();
        float largest = 0;
        for (float x : a) largest = std::max(largest, std::fabs(x));
        for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-6f * largest) << i;
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 50u);
}

INSTANTIATE_TEST_SUITE_P(Types, TwinInNarrowFloats, testing::Values(DType::f16, DType::bf16),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace headrace
