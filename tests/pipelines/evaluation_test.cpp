#include <gtest/gtest.h>

#include "tests/pipelines/fixture_run.h"

namespace headrace {
namespace {

// Evaluation leaves weights and running statistics alone, and answers the same on any cut.
TEST(Evaluation, ChangesNothingAndAgreesAcrossPartitions) {
  const auto evaluate = [](const char* devices, const char* scheduler) {
    FixtureTraining training({.model = "tests/fixtures/resnet_train.legacy.onnx",
                              .devices = devices,
                              .scheduler = scheduler});
    training.step();
    const auto before = training.weights();
    training.feed(7);
    training.pipeline().evaluate();
    EXPECT_EQ(differing(before, training.weights()), "");
    const double first = training.pipeline().metric(training.prepared().training.loss, 0);
    training.pipeline().evaluate();
    EXPECT_EQ(first, training.pipeline().metric(training.prepared().training.loss, 0));
    EXPECT_LE(training.pipeline().metric(training.prepared().correct_counts.at(0), 1), 2);
    return first;
  };
  EXPECT_EQ(evaluate("cpu:1", "gpipe"), evaluate("cpu:3", "1f1b"));
}

}  // namespace
}  // namespace headrace
