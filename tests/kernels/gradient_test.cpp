#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/kernels/operator_case.h"

namespace headrace {
namespace {

double loss_at(const OperatorCase& c, GraphEvaluator& evaluator, ValueId parameter,
               const std::vector<double>& values) {
  Feeds feeds = c.feeds;
  feeds[parameter] = make_host_tensor<double>(c.graph().value(parameter).type.shape, values);
  return to_doubles(evaluator.run(feeds, std::vector{c.training.loss}).at(0)).at(0);
}

std::vector<double> gradient_of(const OperatorCase& c, GraphEvaluator& evaluator,
                                ValueId parameter) {
  std::vector<double> sum(static_cast<size_t>(c.graph().value(parameter).type.elements()));
  for (const ParameterGradient& gradient : c.training.gradients) {
    if (gradient.parameter != parameter) continue;
    for (const HostTensor& part : evaluator.run(c.feeds, gradient.contributions)) {
      const auto values = to_doubles(part);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
    }
  }
  return sum;
}

// Central differences of the loss along `direction` against the gradient's product with it.
void check_direction(const OperatorCase& c, GraphEvaluator& evaluator, ValueId parameter,
                     const std::vector<double>& gradient, const std::vector<double>& direction) {
  constexpr double kStep = 1e-5;
  const auto at = to_doubles(c.graph().value(parameter).data);
  std::vector<double> ahead = at, behind = at;
  double product = 0, magnitude = 0;
  for (size_t i = 0; i < at.size(); ++i) {
    ahead[i] += kStep * direction[i];
    behind[i] -= kStep * direction[i];
    product += gradient[i] * direction[i];
    magnitude += std::fabs(gradient[i] * direction[i]);
  }
  const double difference =
      (loss_at(c, evaluator, parameter, ahead) - loss_at(c, evaluator, parameter, behind)) /
      (2 * kStep);
  EXPECT_NEAR(difference, product, 1e-6 * std::max(magnitude, 1e-3));
}

void check_gradients(const OperatorRow& row) {
  SCOPED_TRACE(to_string(row));
  const OperatorCase c = make_case(row);
  if (!c.has_gradient()) return;
  GraphEvaluator evaluator(c.graph(), {.in_f64 = true, .step = c.step});
  for (size_t v = 0; v < c.graph().values().size(); ++v) {
    const auto id = static_cast<ValueId>(v);
    const Value& value = c.graph().value(id);
    if (value.role != Role::parameter || value.type.elements() == 0) continue;
    SCOPED_TRACE(value.name);
    const auto gradient = gradient_of(c, evaluator, id);
    for (uint64_t salt : {11, 12}) {
      const InputSpec spec{.type = {DType::f64, value.type.shape}};
      check_direction(c, evaluator, id, gradient, to_doubles(draw(spec, salt)));
    }
    // One element alone, so that a wrong index shows whatever the sums do; the one that stands out
    // most from the rounding of the loss.
    std::vector<double> single(gradient.size());
    const auto by_size = [](double a, double b) { return std::fabs(a) < std::fabs(b); };
    const auto largest = std::max_element(gradient.begin(), gradient.end(), by_size);
    single[static_cast<size_t>(largest - gradient.begin())] = 1;
    check_direction(c, evaluator, id, gradient, single);
  }
}

std::vector<std::string> differentiable_operators() {
  Table rows;
  for (const OperatorRow& row : operator_table())
    if (make_case(row).has_gradient()) rows.push_back(row);
  return operators_of(rows);
}

class Gradient : public testing::TestWithParam<std::string> {};

TEST_P(Gradient, AgreesWithFiniteDifferences) {
  for (const OperatorRow& row : operator_table())
    if (row.op == GetParam()) check_gradients(row);
}

INSTANTIATE_TEST_SUITE_P(Operators, Gradient, testing::ValuesIn(differentiable_operators()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace headrace
