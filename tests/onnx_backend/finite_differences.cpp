#include "tests/onnx_backend/finite_differences.h"

#include <cmath>
#include <random>

namespace headrace {

std::vector<double> random_numbers(size_t count, uint64_t salt) {
  std::mt19937_64 random(salt);
  std::vector<double> numbers(count);
  for (double& x : numbers) x = static_cast<double>(random() >> 11) * 0x1p-52 - 1;
  return numbers;
}

FiniteDifferences::FiniteDifferences(const TrainingGraph& training, Feeds feeds)
    : training_(training),
      feeds_(std::move(feeds)),
      evaluator_(training.graph, {.in_f64 = true, .step = {}}) {
  const TensorType seed = training.graph.value(training.loss_seed).type;
  feeds_[training.loss_seed] = seed.dtype == DType::f64 ? scalar_tensor(1.0) : scalar_tensor(1.0F);
}

double FiniteDifferences::loss() { return loss_at({}, 0); }

const std::vector<std::vector<double>>& FiniteDifferences::gradients() {
  if (!gradients_.empty()) return gradients_;
  std::vector<ValueId> wanted;
  for (const ParameterGradient& gradient : training_.gradients)
    wanted.insert(wanted.end(), gradient.contributions.begin(), gradient.contributions.end());
  const auto parts = evaluator_.run(feeds_, wanted);
  size_t part = 0;
  for (const ParameterGradient& gradient : training_.gradients) {
    std::vector<double> sum(
        static_cast<size_t>(training_.graph.value(gradient.parameter).type.elements()));
    for (size_t n = 0; n < gradient.contributions.size(); ++n) {
      const auto values = to_doubles(parts[part++]);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
    }
    gradients_.push_back(std::move(sum));
  }
  return gradients_;
}

double FiniteDifferences::loss_at(const std::vector<std::vector<double>>& direction, double step) {
  Feeds feeds = feeds_;
  for (size_t p = 0; p < direction.size(); ++p) {
    if (direction[p].empty()) continue;
    const ValueId parameter = training_.gradients[p].parameter;
    const Value& value = training_.graph.value(parameter);
    std::vector<double> at = to_doubles(value.data);
    for (size_t i = 0; i < at.size(); ++i) at[i] += step * direction[p][i];
    feeds[parameter] = make_host_tensor<double>(value.type.shape, at);
  }
  return to_doubles(evaluator_.run(feeds, std::vector{training_.loss}).at(0)).at(0);
}

double FiniteDifferences::derivative(const std::vector<std::vector<double>>& direction,
                                     double step) {
  const auto central = [&](double h) {
    return (loss_at(direction, h) - loss_at(direction, -h)) / (2 * h);
  };
  return (4 * central(step / 2) - central(step)) / 3;
}

FiniteDifferences::Product FiniteDifferences::product(
    const std::vector<std::vector<double>>& direction) {
  Product product;
  for (size_t p = 0; p < direction.size(); ++p) {
    for (size_t i = 0; i < direction[p].size(); ++i) {
      const double term = gradients()[p][i] * direction[p][i];
      product.value += term;
      product.magnitude += std::fabs(term);
    }
  }
  return product;
}

}  // namespace headrace
