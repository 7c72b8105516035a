// Gradients of a model's loss on one batch, in f64 by the reference kernels, against central
// differences along random directions of its weights.
//
//   gradient_check MODEL.onnx BATCH.npz FIXED.npz|- GRADIENTS.npz DIRECTIONS
//                  {LOSS | DIMENSION=N | "freeze GLOB"}...
//
// Prints the loss, each direction's derivative by the gradients and by differences, and the
// furthest of them as JSON, and writes the gradients in f32. Each direction moves every weight, in
// proportion to the size of its tensor's values; after those, as many directions move a few sampled
// weights alone.
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "executor/session.h"
#include "graph/error.h"
#include "kernels/reference/reference_device.h"
#include "loader/npz.h"
#include "tests/onnx_backend/finite_differences.h"

namespace headrace {
namespace {

// A right gradient agrees where neither the kinks between two points nor rounding spoil the
// differences, a wrong one nowhere.
constexpr double kSteps[] = {1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-5, 1e-4, 1e-3};
constexpr double kNear = 1e-6;
constexpr size_t kSampled = 16;

double root_mean_square(const std::vector<double>& values) {
  double sum = 0;
  for (const double x : values) sum += x * x;
  return std::sqrt(sum / static_cast<double>(std::max<size_t>(values.size(), 1)));
}

using Direction = std::vector<std::vector<double>>;

Direction all_weights(const TrainingGraph& training, uint64_t salt) {
  Direction direction;
  for (size_t p = 0; p < training.gradients.size(); ++p) {
    const auto at = to_doubles(training.graph.value(training.gradients[p].parameter).data);
    const double scale = std::max(root_mean_square(at), 1e-2);
    direction.push_back(random_numbers(at.size(), salt * 1000 + p));
    for (double& x : direction.back()) x *= scale;
  }
  return direction;
}

Direction sampled_weights(const TrainingGraph& training, uint64_t salt) {
  std::mt19937_64 random(salt);
  Direction direction(training.gradients.size());
  for (size_t n = 0; n < kSampled; ++n) {
    const size_t p = random() % direction.size();
    direction[p].resize(
        static_cast<size_t>(training.graph.value(training.gradients[p].parameter).type.elements()));
    direction[p][random() % direction[p].size()] = static_cast<double>(random() % 2) * 2 - 1;
  }
  return direction;
}

Feeds feeds_of(const PreparedModel& prepared, const std::map<std::string, HostTensor>& batch) {
  Feeds feeds;
  std::vector<ValueId> fed = prepared.inputs;
  fed.insert(fed.end(), prepared.targets.begin(), prepared.targets.end());
  for (const ValueId id : fed) {
    const auto tensor = batch.find(prepared.training.graph.value(id).name);
    if (tensor == batch.end())
      throw Error("no tensor for '{}'", prepared.training.graph.value(id).name);
    feeds[id] = tensor->second;
  }
  return feeds;
}

void write_gradients(const TrainingGraph& training,
                     const std::vector<std::vector<double>>& gradients, const std::string& path) {
  std::map<std::string, HostTensor> tensors;
  for (size_t p = 0; p < gradients.size(); ++p) {
    const Value& parameter = training.graph.value(training.gradients[p].parameter);
    tensors["grad:" + parameter.name] = make_host_tensor<float>(
        parameter.type.shape, std::vector<float>(gradients[p].begin(), gradients[p].end()));
  }
  write_npz(path, tensors);
}

nlohmann::ordered_json check(const PreparedModel& prepared, Feeds feeds, int directions,
                             const std::string& gradients_file) {
  const TrainingGraph& training = prepared.training;
  FiniteDifferences differences(training, std::move(feeds));
  write_gradients(training, differences.gradients(), gradients_file);
  double furthest = 0;
  nlohmann::ordered_json found;
  for (int n = 0; n < 2 * directions; ++n) {
    const uint64_t salt = static_cast<uint64_t>(n) + 1;
    const Direction direction =
        n < directions ? all_weights(training, salt) : sampled_weights(training, salt);
    const double product = differences.product(direction).value;
    double nearest = std::numeric_limits<double>::infinity(), nearest_derivative = 0;
    for (const double step : kSteps) {
      const double derivative = differences.derivative(direction, step);
      const double off = std::fabs(derivative - product) /
                         std::max({std::fabs(derivative), std::fabs(product), 1e-9});
      if (off < nearest) nearest = off, nearest_derivative = derivative;
      if (nearest < kNear) break;
    }
    found.push_back(
        {{"gradients", product}, {"differences", nearest_derivative}, {"off", nearest}});
    furthest = std::max(furthest, nearest);
  }
  return {{"loss", differences.loss()},
          {"parameters", training.gradients.size()},
          {"unreached", training.unreached.size()},
          {"furthest", furthest},
          {"directions", found}};
}

int run(int count, char** arguments) {
  if (count < 7) throw Error("too few arguments; the source says which");
  RunConfig config;
  config.model = arguments[1];
  const auto batch = read_npz(arguments[2]);
  if (arguments[3] != std::string("-")) config.fixed_inputs = arguments[3];
  for (int i = 6; i < count; ++i) {
    const std::string text = arguments[i];
    const std::string freeze = "freeze ";
    const size_t equals = text.rfind('=');
    if (text.starts_with(freeze))
      config.freeze.push_back(text.substr(freeze.size()));
    else if (equals == std::string::npos)
      config.losses.push_back(text);
    else
      config.bind[text.substr(0, equals)] = std::stoll(text.substr(equals + 1));
  }
  for (const auto& [name, tensor] : batch)
    if (!tensor.type.shape.empty()) config.batch = tensor.type.shape[0];
  const auto device = make_reference_device();
  const PreparedModel prepared = prepare_model(config, *device);
  const auto report =
      check(prepared, feeds_of(prepared, batch), std::atoi(arguments[5]), arguments[4]);
  fmt::print("{}\n", report.dump());
  return 0;
}

}  // namespace
}  // namespace headrace

int main(int count, char** arguments) {
  try {
    return headrace::run(count, arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gradient_check: {}\n", error.what());
    return 1;
  }
}
