#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>

#include "executor/settle_layouts.h"
#include "graph/error.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/libraries.h"
#include "tests/cuda/described_cards.h"
#include "tests/cuda/training_graphs.h"

// What is shown here: cuDNN accepts every operation graph that the backend would hand to it, and
// has a plan for it that can be written down and read back, for cards that are only described.
// Nothing runs: numbers, launches and speed are not shown.
namespace headrace {
namespace {

// A card's layouts and kernels without the card.
class DescribedDevice : public Device {
 public:
  explicit DescribedDevice(const Card& card, size_t most_workspace = cuda::kDefaultWorkspace)
      : name_(card.name), libraries_(target_of(card, most_workspace)) {
    context_.libraries = &libraries_;
  }
  void allow_tf32(bool allow) { context_.tf32 = allow; }

  static cuda::CudnnTarget target_of(const Card& card,
                                     size_t most_workspace = cuda::kDefaultWorkspace) {
    cuda::CudnnTarget target;
    target.properties = device_properties(card);
    target.sm_version = card.sm_version;
    target.most_workspace = most_workspace;
    return target;
  }

  const std::string& name() const override { return name_; }
  Buffer allocate(size_t) override { throw RunError("{} is not there", name_); }
  LayoutProposal propose_layouts(const KernelRequest& request) override {
    return cuda::propose_layouts(context_, request);
  }
  bool fuses(const KernelRequest& request) override {
    return cuda::fuses_attention(context_, request);
  }
  std::unique_ptr<Kernel> prepare(const KernelRequest&) override {
    throw RunError("{} is not there", name_);
  }
  void upload(const TensorType&, const Layout&, const void*, void*) override {}
  void download(const TensorType&, const Layout&, const void*, void*) override {}

  const cuda::Context& context() const { return context_; }
  cuda::CudnnPlans& plans() { return libraries_.plans; }

 private:
  std::string name_;
  cuda::Libraries libraries_;
  cuda::Context context_;
};

// Why this machine cannot show it, or empty.
std::string obstacle() {
  if (std::filesystem::exists("/proc/driver/nvidia/version"))
    return "an NVIDIA driver is loaded: the stand-in for it stays out of its way";
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY);
  if (driver == nullptr) return "the stand-in for the driver is not on LD_LIBRARY_PATH: use ctest";
  const bool ours = dlsym(driver, "headrace_stand_in_driver") != nullptr;
  dlclose(driver);
  return ours ? "" : "libcuda.so.1 is a real driver's";
}

struct Case {
  Card card;
  DType dtype;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.card.name << " " << name_of(c.dtype); }

class CudnnAcceptsAndPlans : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (std::string why = obstacle(); !why.empty()) GTEST_SKIP() << why;
  }
};

// Nodes that cuDNN takes, and those that are left to other kernels: "LayerNormalization: why".
struct Tally {
  int planned = 0;
  std::map<std::string, int> left;
};

// Asks cuDNN's implementation of each node as the device would.
void ask_for_all(const TrainingGraph& training, DescribedDevice& device, Tally& tally) {
  for (const Node& node : training.graph.nodes())
    for (const cuda::Implementation& library : cuda::library_implementations(node.op)) {
      if (library.name != "cuDNN") continue;
      const Prepared prepared =
          library.prepare(device.context(), kernel_request(training.graph, node));
      if (prepared.kernel)
        ++tally.planned;
      else
        ++tally.left[node.op + ": " + prepared.refusal];
    }
}

// Every node of the models, f32 without and with TF32; each plan is written down and read back.
void expect_plans(const Case& c, DescribedDevice& device, const std::vector<NamedGraph>& models) {
  Tally tally;
  for (const bool tf32 : {false, true}) {
    if (tf32 && c.dtype != DType::f32) continue;
    device.allow_tf32(tf32);
    for (const NamedGraph& model : models)
      ask_for_all(settle_layouts(model.training, device), device, tally);
  }
  const auto& answers = device.plans().answers();
  size_t most_workspace = 0;
  for (const auto& [graph, answer] : answers) {
    EXPECT_NE(answer.plan, nullptr) << graph << ": " << answer.refusal;
    if (!answer.plan) continue;
    EXPECT_LE(answer.plan->workspace_bytes(), cuda::kDefaultWorkspace) << graph;
    most_workspace = std::max(most_workspace, answer.plan->workspace_bytes());
    const cuda::CudnnAnswer again =
        cuda::load_plan(answer.plan->serialize(), device.plans().target());
    EXPECT_NE(again.plan, nullptr) << graph << ": " << again.refusal;
  }
  EXPECT_GT(tally.planned, 0);
  fmt::print("{}, {}: cuDNN accepts and plans {} operation graphs, which stand for {} nodes of",
             c.card.device_name,
             c.dtype == DType::f32 ? "f32 without and with TF32" : name_of(c.dtype), answers.size(),
             tally.planned);
  for (const NamedGraph& model : models) fmt::print(" {},", model.name);
  fmt::print(" and nothing ran; the largest workspace is {:.1f} MiB\n",
             static_cast<double>(most_workspace) / (1 << 20));
  for (const auto& [what, nodes] : tally.left)
    fmt::print("  left to other kernels, {} nodes: {}\n", nodes, what);
}

TEST_P(CudnnAcceptsAndPlans, EveryGraphThatTheBackendWouldHandToItAndNothingRuns) {
  DescribedDevice device(GetParam().card);
  std::vector<NamedGraph> models = shipped_models(GetParam().dtype, device);
  models.push_back(resnet50(GetParam().dtype));
  models.push_back(decoder(GetParam().dtype, device));
  expect_plans(GetParam(), device, models);
  // Each layer's attention and its gradient: in 16 bits alone.
  const size_t layers = GetParam().dtype == DType::f32 ? 0 : 12;
  for (const char* op : {"Attention", "AttentionGrad"}) {
    const auto& nodes = models.back().training.graph.nodes();
    EXPECT_EQ(std::ranges::count(nodes, op, &Node::op), layers) << op;
  }
}

TEST_P(CudnnAcceptsAndPlans, ConvolutionsOfEveryFormAndNothingRuns) {
  DescribedDevice device(GetParam().card);
  expect_plans(GetParam(), device, {convolutions(GetParam().dtype)});
}

// Which forms of attention are fused on which card, by cuDNN's own answers. The gradient beside a
// bias has no deterministic kernel on sm_100: there the parts stay.
TEST_P(CudnnAcceptsAndPlans, AttentionInTheFormsThatItHasKernelsForAndNothingRuns) {
  const auto& [card, dtype] = GetParam();
  struct Form {
    int64_t queries, keys, width, value_width, causal;
    Shape bias;
    bool fused;
  };
  const bool has_biases = card.sm_version < 100;
  const Form forms[] = {
      {37, 53, 64, 64, 1, {}, true},
      {512, 512, 64, 32, 0, {}, true},
      {64, 64, 20, 20, 1, {}, false},  // no multiple of eight
      {512, 512, 64, 64, 0, {4, 1, 1, 512}, has_biases},
      {512, 512, 64, 64, 1, {12, 512, 512}, has_biases},
  };
  DescribedDevice device(card);
  for (const Form& f : forms) {
    Graph graph;
    const auto heads = [&](int64_t rows, int64_t width) {
      return graph.add_input("heads", {dtype, {4, 12, rows, width}});
    };
    std::vector<ValueId> inputs{heads(f.queries, f.width), heads(f.keys, f.width),
                                heads(f.keys, f.value_width)};
    if (!f.bias.empty()) inputs.push_back(graph.add_input("bias", {DType::f32, f.bias}));
    graph.add("Attention", inputs, {{"scale", 0.125}, {"causal", f.causal}});
    const Node& node = graph.nodes()[0];
    EXPECT_EQ(device.fuses(kernel_request(graph, node)), dtype != DType::f32 && f.fused)
        << describe(graph, node);
  }
  for (const auto& [graph, answer] : device.plans().answers())
    fmt::print("{}: {}\n", graph, answer.plan ? answer.plan->engine() : answer.refusal);
}

// The proof would be worth nothing if cuDNN accepted whatever it is shown.
TEST_P(CudnnAcceptsAndPlans, NothingThatMakesNoSense) {
  const auto& [card, dtype] = GetParam();
  const auto image = [&](Shape dims) {
    const TensorType type{dtype, dims};
    return cuda::CudnnTensor{dtype, dims, cuda::strides_of(type, cuda::channels_last(type))};
  };
  cuda::CudnnConvolution c;
  c.source = image({32, 64, 56, 56});
  c.destination = image({32, 64, 56, 56});
  c.pads_begin = c.pads_end = c.strides = c.dilations = {1, 1};
  const cuda::CudnnTarget target = DescribedDevice::target_of(card);
  c.weights = image({64, 48, 3, 3});
  EXPECT_EQ(cuda::plan(c, target).plan, nullptr) << "64 channels meet filters of 48";
  c.weights = image({64, 64, 3, 3});
  EXPECT_NE(cuda::plan(c, target).plan, nullptr);
  c.destination = image({32, 64, 57, 56});
  EXPECT_EQ(cuda::plan(c, target).plan, nullptr) << "56 rows become 57";
}

// A product of all pixels in f32: an A100's and H100's engines turn the images around, in a
// workspace of their size.
TEST(CudnnPlans, KeepToTheWorkspaceTheyAreGiven) {
  if (std::string why = obstacle(); !why.empty()) GTEST_SKIP() << why;
  const auto image = [](Shape dims) {
    const TensorType type{DType::f32, dims};
    return cuda::CudnnTensor{DType::f32, dims, cuda::strides_of(type, cuda::channels_last(type))};
  };
  cuda::CudnnConvolution c;
  c.source = image({64, 256, 56, 56});
  c.weights = image({128, 256, 1, 1});
  c.destination = image({64, 128, 56, 56});
  c.pads_begin = c.pads_end = {0, 0};
  c.strides = c.dilations = {1, 1};
  for (const Card& card : {kCards[0], kCards[1]}) {
    const auto within = [&](size_t bytes) {
      return cuda::plan(c, DescribedDevice::target_of(card, bytes)).plan;
    };
    const auto first = within(std::numeric_limits<size_t>::max());
    ASSERT_NE(first, nullptr) << card.name;
    const size_t wanted = first->workspace_bytes();
    ASSERT_GT(wanted, 0) << card.name << ": " << first->engine() << " says nothing about limits";
    EXPECT_EQ(within(wanted)->engine(), first->engine()) << card.name;
    const auto smaller = within(wanted - 1), least = within(0);
    ASSERT_NE(smaller, nullptr) << card.name;
    ASSERT_NE(least, nullptr) << card.name;
    EXPECT_LT(smaller->workspace_bytes(), wanted) << card.name;
    EXPECT_LE(least->workspace_bytes(), smaller->workspace_bytes()) << card.name;
    EXPECT_NE(cuda::load_plan(least->serialize(), DescribedDevice::target_of(card)).plan, nullptr);
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Card& card : kCards)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) all.push_back({card, dtype});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Cards, CudnnAcceptsAndPlans, ::testing::ValuesIn(cases()),
                         [](const auto& info) {
                           return fmt::format("{}_{}", info.param.card.name,
                                              name_of(info.param.dtype));
                         });

}  // namespace
}  // namespace headrace
