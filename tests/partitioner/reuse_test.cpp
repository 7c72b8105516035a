#include "partitioner/reuse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "partitioner/cost_model.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kWidth = 64;
constexpr double kRow = 2 * kWidth * 4, kWeight = kWidth * kWidth * 4;  // bytes

// x -> a = x W -> b = a V, every operand named above its bytes: x, a, b a row, W and V a weight.
// da = db V' and the gradients of W and V come back.
TrainingGraph two_products() {
  TrainingGraph training;
  Graph& graph = training.graph;
  const ValueId x = graph.add_input("x", {DType::f32, {2, kWidth}});
  const ValueId seed = graph.add_input("db", {DType::f32, {2, kWidth}});
  const HostTensor data{{DType::f32, {kWidth, kWidth}}, {}};
  const ValueId w = graph.add_parameter("W", data), v = graph.add_parameter("V", data);
  const ValueId a = graph.add("MatMul", {x, w});
  const ValueId b = graph.add("MatMul", {a, v});
  const NodeId first = graph.value(a).producer, second = graph.value(b).producer;
  const Attributes left = {{"transpose_a", int64_t{1}}}, right = {{"transpose_b", int64_t{1}}};
  const ValueId dv = graph.add("MatMul", {a, seed}, left, Phase::backward_weight, second);
  const ValueId da = graph.add("MatMul", {seed, v}, right, Phase::backward_input, second);
  const ValueId dw = graph.add("MatMul", {x, da}, left, Phase::backward_weight, first);
  training.gradients = {{w, {dw}}, {v, {dv}}};
  return training;
}

TEST(Reuse, AllIsThereInACacheThatHoldsAll) {
  EXPECT_THAT(cold_shares(two_products(), 1e9), ElementsAre(0, 0, 0, 0, 0));
}

TEST(Reuse, WithoutACacheOnlyWhatAPhaseHandsOnIsThere) {
  // b is read by nobody: scratch. All else is kept beyond its phase.
  EXPECT_THAT(cold_shares(two_products(), 0),
              ElementsAre(1, (kRow + kWeight) / (2 * kRow + kWeight), 1, 1, 1));
}

TEST(Reuse, WhatWasUsedJustBeforeIsThere) {
  // Room for one weight and five rows: a is there for the second product, and a and db for the
  // gradient of V; V itself was used before dV (one more weight) took its place.
  const double cache = kWeight + 5 * kRow;
  const auto shares = cold_shares(two_products(), cache);
  EXPECT_DOUBLE_EQ(shares[1], kWeight / (2 * kRow + kWeight));
  EXPECT_DOUBLE_EQ(shares[3], kWeight / (2 * kRow + kWeight) + kRow / (2 * kRow + kWeight));
}

TEST(CostModel, SumsOfGradientsAreReadByLaterMicrobatches) {
  const TrainingGraph training = two_products();
  const auto accumulated = accumulated_outputs(training);
  EXPECT_THAT(accumulated,
              ElementsAre(IsEmpty(), IsEmpty(), ElementsAre(true), IsEmpty(), ElementsAre(true)));
  DeviceRates rates;
  const auto one = node_seconds(training, 1, rates), four = node_seconds(training, 4, rates);
  for (size_t n = 0; n < one.size(); ++n) {
    EXPECT_EQ(one[n], node_seconds(training.graph, training.graph.nodes()[n], rates));
    const double sums = accumulated[n].empty() ? 0 : kWeight / rates.memory_bytes_per_s;
    EXPECT_DOUBLE_EQ(four[n], one[n] + 0.75 * sums);
  }
}

}  // namespace
}  // namespace headrace
