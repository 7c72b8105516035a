#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "executor/devices.h"
#include "executor/losses.h"
#include "graph/passes.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/evaluate.h"
#include "loader/model.h"
#include "tests/pipelines/fixture_run.h"
#include "tests/pipelines/forwarding_device.h"

// Attention as one node in the models that both exporters wrote: found in each layer, equal to its
// parts, and left in parts where the device does not ask for it.
namespace headrace {
namespace {

// A CPU that fuses whatever it is asked about; its kernels are the reference's.
class FusingCpu : public ForwardingDevice {
 public:
  explicit FusingCpu(int index) : ForwardingDevice(make_cpu_device(index, 1)) {}
  bool fuses(const KernelRequest&) override { return true; }
};

std::vector<std::unique_ptr<Device>> fusing_cpus(int count) {
  std::vector<std::unique_ptr<Device>> devices;
  for (int index = 0; index < count; ++index) devices.push_back(std::make_unique<FusingCpu>(index));
  return devices;
}

std::ptrdiff_t count(const Graph& graph, const char* op) {
  return std::ranges::count(graph.nodes(), op, &Node::op);
}

struct Decoder {
  const char* model;
  std::ptrdiff_t layers;
};
constexpr Decoder kDecoders[] = {{"tests/fixtures/gpt.dynamo.onnx", 2},
                                 {"tests/fixtures/gpt.legacy.onnx", 2},
                                 {"tests/fixtures/gpt_tied.dynamo.onnx", 2},
                                 {"tests/fixtures/gpt_tied.legacy.onnx", 2},
                                 {"models/char-gpt/char-gpt.onnx", 4}};

ForwardGraph canonical(const char* model) {
  LoadOptions options;
  options.batch = 2;
  options.evaluate = evaluate;
  return canonicalize(load_model(std::string(HEADRACE_SOURCE_DIR) + "/" + model, options).forward);
}

TrainingGraph training_of(const ForwardGraph& forward) {
  Graph graph = forward.graph;
  const AttachedLosses losses = attach_losses(graph, {"cross-entropy"});
  return differentiate(std::move(graph), losses.terms, forward.state_updates);
}

// The loss and all gradients in double, on words 0, 1, 2 and so on.
std::vector<HostTensor> loss_and_gradients(const TrainingGraph& training) {
  Feeds feeds{{training.loss_seed, scalar_tensor(1.0F)}};
  for (const ValueId id : training.graph.inputs) {
    const TensorType& type = training.graph.value(id).type;
    if (type.dtype != DType::i64) continue;
    std::vector<int64_t> words;
    for (int64_t i = 0; i < type.elements(); ++i) words.push_back((i * i + 3 * i) % 11);
    feeds[id] = make_host_tensor<int64_t>(type.shape, words);
  }
  std::vector<ValueId> wanted{training.loss};
  for (const auto& gradient : training.gradients)
    wanted.insert(wanted.end(), gradient.contributions.begin(), gradient.contributions.end());
  return evaluate_graph(training.graph, feeds, wanted, {.in_f64 = true, .step = {}});
}

TEST(Attention, OfBothExportersEqualsItsParts) {
  for (const auto& [model, layers] : kDecoders) {
    SCOPED_TRACE(model);
    const ForwardGraph parts = canonical(model);
    const ForwardGraph whole =
        fuse_attention(parts, DType::bf16, [](const Node& node, const auto&, const auto&) {
          EXPECT_EQ(node.attributes.get_int("causal"), 1);
          EXPECT_EQ(node.inputs.size(), 3U);
          return true;
        });
    EXPECT_EQ(count(whole.graph, "Attention"), layers);
    EXPECT_EQ(count(whole.graph, "Softmax"), 0);
    const auto is = loss_and_gradients(training_of(whole));
    const auto wanted = loss_and_gradients(training_of(parts));
    ASSERT_EQ(is.size(), wanted.size());
    for (size_t g = 0; g < is.size(); ++g) {
      const auto a = to_doubles(is[g]), b = to_doubles(wanted[g]);
      ASSERT_EQ(a.size(), b.size());
      double largest = 0;
      for (const double x : b) largest = std::max(largest, std::abs(x));
      for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-6 * largest) << g;
    }
  }
}

// Factors and what lies between nodes have eight bits either way.
TEST(Attention, TrainsAsItsPartsInBf16) {
  const FixtureRun run{
      .model = "tests/fixtures/gpt_tied.dynamo.onnx", .optimizer = "sgd", .precision = "bf16"};
  FixtureTraining whole(run, fusing_cpus(1)), parts(run);
  EXPECT_EQ(count(whole.prepared().training.graph, "Attention"), 2);
  EXPECT_EQ(count(whole.prepared().training.graph, "AttentionGrad"), 2);
  EXPECT_EQ(count(parts.prepared().training.graph, "Attention"), 0);
  for (int step = 0; step < 6; ++step) {
    const double wanted = parts.step();
    EXPECT_NEAR(whole.step(), wanted, 0x1p-7 * wanted) << "step " << step;
  }
}

TEST(Attention, GivesTheSameWeightsOnEveryCut) {
  const auto trained = [](FixtureRun run, int devices) {
    FixtureTraining training(run, fusing_cpus(devices));
    for (int step = 0; step < 4; ++step) training.step();
    return training.weights();
  };
  FixtureRun run{.model = "tests/fixtures/gpt_tied.dynamo.onnx", .precision = "bf16"};
  const auto whole = trained(run, 1);
  run.devices = "cpu:2";
  run.stages_per_device = 2;
  run.scheduler = "breadth-first";
  EXPECT_EQ(differing(whole, trained(run, 2)), "");
  run.recompute = "stage";
  EXPECT_EQ(differing(whole, trained(run, 2)), "") << "computed again in the backward pass";
}

}  // namespace
}  // namespace headrace
