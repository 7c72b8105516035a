#include "executor/time_node.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "kernels/cpu/cpu_device.h"
#include "tests/pipelines/queued_device.h"

namespace headrace {
namespace {

// Devices with queues run a node once and then, where they record it, twice as a recording that is
// not timed and twice in time; where they may not, twice in time. Kernels of 20 ms keep it at that.
constexpr double kKernel_s = 0.02;
constexpr int kRecorded = 5, kAsked = 3;

struct Timed {
  double seconds;
  int kernels;
};

Timed timed(const Graph& graph) {
  std::atomic<int> kernels = 0;
  const auto device = make_queued_device(make_cpu_device(0, 1), [&] {
    ++kernels;
    std::this_thread::sleep_for(std::chrono::duration<double>(kKernel_s));
  });
  const double seconds = time_node(*device, graph, graph.nodes().back());
  return {seconds, kernels};
}

TEST(TimeNode, QueuesReplayARecordingOfTheNode) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {8}});
  graph.add("Add", {x, x}, {});
  const Timed add = timed(graph);
  EXPECT_EQ(add.kernels, kRecorded);
  EXPECT_GE(add.seconds, kKernel_s);
  EXPECT_LT(add.seconds, 10 * kKernel_s);
}

TEST(TimeNode, WhatReadsTheStepIsNotRecorded) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {8}});
  graph.add("Dropout", {x}, {{"ratio", 0.5}, {"seed", int64_t{1}}});
  ASSERT_TRUE(reads_step(graph.nodes().back()));
  const Timed dropout = timed(graph);
  EXPECT_EQ(dropout.kernels, kAsked);
  EXPECT_GE(dropout.seconds, kKernel_s);
  EXPECT_LT(dropout.seconds, 10 * kKernel_s);
}

}  // namespace
}  // namespace headrace
