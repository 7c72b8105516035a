#include <gtest/gtest.h>

#include "tests/loader/onnx_text.h"
#include "tests/pipelines/fixture_run.h"

namespace headrace {
namespace {

// Each of the four nodes gets a stage and a device of its own, so that a Reshape, which makes no
// memory of its own, stands apart from the node whose result it reads.
void expect_same_as_one_device(const std::string& text, const std::string& loss) {
  const TemporaryFolder folder;
  write_onnx(parse_onnx(text), folder / "model.onnx");
  for (const int microbatches : {1, 4}) {
    FixtureRun run{.model = folder / "model.onnx",
                   .partitioner = "uniform",
                   .microbatches = microbatches,
                   .loss = loss,
                   .optimizer = "sgd"};
    FixtureTraining one(run);
    run.devices = "cpu:4";
    FixtureTraining four(run);
    ASSERT_EQ(four.pipeline().plan().device.size(), 4U);
    for (int step = 0; step < 3; ++step)
      EXPECT_EQ(one.step(), four.step()) << microbatches << " micro-batches, step " << step;
    EXPECT_EQ(differing(one.weights(), four.weights()), "") << microbatches << " micro-batches";
  }
}

TEST(Reshape, OfAWeightWhoseGradientAnotherDeviceMakes) {
  expect_same_as_one_device(R"(
    g (float[N,4] x) => (float[N,3] y)
    <float[1,4,3] w = {0.5,-1,0.25,2,-0.5,1,0.75,-2,1.5,-0.25,1.25,-1.5}> {
      shape = Constant <value = int64[2] {4, 3}> ()
      matrix = Reshape(w, shape)
      positive = Relu(x)
      y = MatMul(positive, matrix)
    })",
                            "cross-entropy");
}

TEST(Reshape, OfALossThatAnotherDeviceMakes) {
  expect_same_as_one_device(R"(
    g (float[N,4] x) => (float y)
    <float[4,3] w = {0.5,-1,0.25,2,-0.5,1,0.75,-2,1.5,-0.25,1.25,-1.5}> {
      product = MatMul(x, w)
      bounded = Tanh(product)
      mean = ReduceMean <keepdims = 1> (bounded)
      y = Squeeze(mean)
    })",
                            "output");
}

}  // namespace
}  // namespace headrace
