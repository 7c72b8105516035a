#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "loader/npz.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

const std::string kFolder = std::string(HEADRACE_SOURCE_DIR) + "/tests/fixtures/";

std::vector<std::string> fixture_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder))
    if (entry.path().extension() == ".onnx") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

class Fixtures : public testing::TestWithParam<std::string> {
 protected:
  Model load(const std::map<std::string, HostTensor>& arrays, bool training) {
    LoadOptions options = folding();
    options.training = training;
    for (const auto& [key, tensor] : arrays)
      if (key.rfind("input:", 0) == 0) options.batch = tensor.type.shape.at(0);
    return load_model(kFolder + GetParam() + ".onnx", options);
  }

  static void expect_logits(const Model& model, const std::map<std::string, HostTensor>& arrays,
                            const std::string& key) {
    const Graph& graph = model.forward.graph;
    Feeds feeds;
    for (const ValueId id : graph.inputs) feeds[id] = arrays.at("input:" + graph.value(id).name);
    const auto outputs = evaluate_graph(graph, feeds, std::span(graph.outputs).first(1));
    const auto expected = to_doubles(arrays.at(key)), found = to_doubles(outputs[0]);
    ASSERT_EQ(outputs[0].type.shape, arrays.at(key).type.shape);
    double difference = 0, size = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      difference += (expected[i] - found[i]) * (expected[i] - found[i]);
      size += expected[i] * expected[i];
    }
    EXPECT_LT(std::sqrt(difference / size), 1e-5);
  }
};

TEST_P(Fixtures, ComputeWhatPyTorchDoes) {
  const auto arrays = read_npz(kFolder + GetParam() + ".npz");
  expect_logits(load(arrays, true), arrays, "logits");
  const Model as_exported = load(arrays, false);
  if (arrays.count("eval_logits") > 0 && as_exported.forward.state_updates.empty())
    expect_logits(as_exported, arrays, "eval_logits");
}

TEST_P(Fixtures, TrainWhatPyTorchTrains) {
  const auto arrays = read_npz(kFolder + GetParam() + ".npz");
  const Model model = load(arrays, true);
  const Graph& graph = model.forward.graph;
  size_t parameters = 0, gradients = 0, untied = 0;
  for (const Weight& weight : model.weights) {
    const Value& value = graph.value(weight.value);
    if (value.role != Role::parameter) continue;
    ++parameters;
    const std::string root = weight.name.substr(0, weight.name.find('@'));
    ASSERT_EQ(arrays.count("grad:" + root), 1U) << weight.name;
    EXPECT_EQ(value.type, arrays.at("grad:" + root).type) << weight.name;
  }
  for (const auto& [key, tensor] : arrays) {
    gradients += key.rfind("grad:", 0) == 0 ? 1 : 0;
    untied += key.rfind("untied:", 0) == 0 ? 1 : 0;
  }
  // `untied` counts the first users too, which keep the two names that were merged into.
  EXPECT_EQ(parameters, gradients + untied - (untied > 0 ? 2 : 0));
}

TEST_P(Fixtures, AreTheSameModelAfterSaving) {
  const auto arrays = read_npz(kFolder + GetParam() + ".npz");
  const Model model = load(arrays, true);
  std::map<std::string, HostTensor> weights;
  for (const Weight& weight : model.weights)
    weights[weight.name] = model.forward.graph.value(weight.value).data;
  const TemporaryFolder folder;
  for (const bool external : {false, true}) {
    const std::string path = folder / (external ? "external.onnx" : "inside.onnx");
    save_model(model, path, weights, external);
    LoadOptions options = folding();
    for (const auto& [key, tensor] : arrays)
      if (key.rfind("input:", 0) == 0) options.batch = tensor.type.shape.at(0);
    expect_logits(load_model(path, options), arrays, "logits");
  }
}

INSTANTIATE_TEST_SUITE_P(All, Fixtures, testing::ValuesIn(fixture_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

}  // namespace
}  // namespace headrace
