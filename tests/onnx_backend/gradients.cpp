#include "tests/onnx_backend/gradients.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "graph/autodiff.h"
#include "graph/error.h"
#include "graph/passes.h"
#include "loader/model.h"
#include "loader/onnx_test_sets.h"
#include "tests/onnx_backend/finite_differences.h"

namespace headrace {
namespace {

constexpr double kStep = 1e-5;
constexpr double kTolerance = 1e-6;  // of the sum of the terms' magnitudes
constexpr size_t kDirections = 2, kSingleElements = 8;

Graph load_graph(const std::string& path, const OnnxTestSet& set) {
  LoadOptions options;
  options.training = false;
  options.evaluate = evaluate;
  for (const auto& [name, tensor] : set.inputs) options.input_shapes[name] = tensor.type.shape;
  options.input_contents = set.inputs;
  return canonicalize(load_model(path, options).forward).graph;
}

// f64 where the evaluation needs it; the graph's dtype otherwise plays no part.
HostTensor off_kinks(const HostTensor& tensor, uint64_t salt) {
  std::vector<double> values = to_doubles(tensor);
  const auto moves = random_numbers(values.size(), 1000 + salt);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::isfinite(values[i]) ? values[i] + 0.01 * moves[i] : moves[i];
  return make_host_tensor<double>(tensor.type.shape, values);
}

// Float inputs become parameters with their contents; the others stay what is fed.
Feeds make_parameters(Graph& graph, const OnnxTestSet& set) {
  Feeds feeds;
  std::vector<ValueId> fed;
  for (const ValueId id : graph.inputs) {
    Value& value = graph.value(id);
    const auto contents = set.inputs.find(value.name);
    if (contents == set.inputs.end()) throw Error("no tensor for input '{}'", value.name);
    if (is_float(value.type.dtype)) {
      value.role = Role::parameter;
      value.data = off_kinks(contents->second, fed.size() + index(id));
    } else {
      feeds[id] = contents->second;
      fed.push_back(id);
    }
  }
  graph.inputs = std::move(fed);
  return feeds;
}

// Adds the sum of the output's elements times fixed random numbers, as a scalar.
ValueId project(Graph& graph, ValueId output, uint64_t salt) {
  if (graph.value(output).type.dtype != DType::f32 && graph.value(output).type.dtype != DType::f64)
    output = graph.add("Cast", {output}, {{"to", std::string("f32")}});
  const TensorType type = graph.value(output).type;
  const auto numbers = random_numbers(static_cast<size_t>(type.elements()), salt);
  const HostTensor weights =
      type.dtype == DType::f64
          ? make_host_tensor<double>(type.shape, numbers)
          : make_host_tensor<float>(type.shape, std::vector<float>(numbers.begin(), numbers.end()));
  const ValueId product = graph.add("Mul", {output, graph.add_constant("projection", weights)});
  if (type.rank() == 0) return product;
  std::vector<int64_t> axes;
  for (int64_t d = 0; d < type.rank(); ++d) axes.push_back(d);
  return graph.add("ReduceSum", {product}, {{"axes", axes}, {"keepdims", int64_t{0}}});
}

// Empty where the gradients agree with the differences: along random directions of each parameter,
// and of single elements, so that a wrong index shows whatever the sums do.
std::string compare(const TrainingGraph& training, FiniteDifferences& differences) {
  const double rounding = 1e-14 * std::fabs(differences.loss()) / kStep;
  std::mt19937_64 random(5);
  for (size_t p = 0; p < training.gradients.size(); ++p) {
    const Value& parameter = training.graph.value(training.gradients[p].parameter);
    const auto count = static_cast<size_t>(parameter.type.elements());
    for (size_t n = 0; n < kDirections + std::min(count, kSingleElements); ++n) {
      std::vector<std::vector<double>> direction(p + 1);
      if (n < kDirections) {
        direction[p] = random_numbers(count, 11 + n);
      } else {
        direction[p].resize(count);
        direction[p][count <= kSingleElements ? n - kDirections : random() % count] = 1;
      }
      const double derivative = differences.derivative(direction, kStep);
      const auto [product, magnitude] = differences.product(direction);
      // The comparison is this way round so that a NaN differs.
      if (!(std::fabs(derivative - product) <= kTolerance * std::max(magnitude, 1e-2) + rounding))
        return fmt::format("'{}': differences give {:.9g}, the gradient {:.9g}", parameter.name,
                           derivative, product);
    }
  }
  return {};
}

// Float, computed, and not a running statistic, which is state and carries no gradient.
bool is_projected(const Graph& graph, ValueId output) {
  const Value& value = graph.value(output);
  if (value.role != Role::computed || !is_float(value.type.dtype) || value.type.elements() == 0)
    return false;
  const Node& producer = graph.node(value.producer);
  return producer.op != "BatchNormalization" || producer.outputs[0] == output;
}

}  // namespace

std::string check_gradients(const std::string& folder) {
  const std::string path = folder + "/model.onnx";
  const OnnxTestSet set = read_onnx_test_sets(path, folder).front();
  Graph graph = load_graph(path, set);
  Feeds feeds = make_parameters(graph, set);
  std::vector<LossTerm> terms;
  for (const ValueId output : std::vector<ValueId>(graph.outputs)) {
    if (is_projected(graph, output)) terms.push_back({project(graph, output, 100 + terms.size())});
  }
  if (terms.empty()) throw Error("no float output is computed");
  const TrainingGraph training = differentiate(std::move(graph), terms, {});
  if (training.gradients.empty()) throw Error("no float input reaches a float output");
  FiniteDifferences differences(training, std::move(feeds));
  return compare(training, differences);
}

}  // namespace headrace
