// `optimal` against every assignment of stages to the nodes of small random graphs.

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <vector>

#include "tests/plugins/problems.h"

namespace headrace {
namespace {

using headrace::testing::chain_problem;
using headrace::testing::empty_problem;
using headrace::testing::error_of;
using headrace::testing::kPlugins;
using ::testing::HasSubstr;

constexpr double kNever = std::numeric_limits<double>::infinity();

// The least bottleneck of all; kNever: none fits. Nodes are in a topological order.
class EveryAssignment {
 public:
  explicit EveryAssignment(const PartitionProblem& problem)
      : problem_(problem), stages_(problem.nodes.size()), before_(problem.nodes.size()) {
    for (const PartitionEdge& edge : problem.edges)
      if (problem.contiguous && edge.ordered)
        before_[static_cast<size_t>(edge.to)].push_back(edge.from);
  }

  double best() {
    assign(0);
    return best_s_;
  }

 private:
  void assign(size_t node) {
    if (node == stages_.size()) {
      const double found = score_partition(problem_, stages_).bottleneck_s;
      if (found >= best_s_) return;
      try {
        check_partition(problem_, stages_, "every");
        best_s_ = found;
      } catch (const Error&) {
      }
      return;
    }
    int first = 0;
    for (const int from : before_[node])
      first = std::max(first, stages_[static_cast<size_t>(from)]);
    for (int stage = first; stage < problem_.stages(); ++stage) {
      stages_[node] = stage;
      assign(node + 1);
    }
  }

  const PartitionProblem& problem_;
  std::vector<int> stages_;
  std::vector<std::vector<int>> before_;
  double best_s_ = kNever;
};

class RandomGraphProblem {
 public:
  explicit RandomGraphProblem(unsigned seed) : random_(seed) {}

  PartitionProblem operator()() {
    const int devices = integer(1, 4), loops = devices > 2 ? 1 : integer(1, 2);
    PartitionProblem problem = empty_problem(devices, loops);
    if (chance(3))
      std::shuffle(problem.device_of_stage.begin(), problem.device_of_stage.end(), random_);
    problem.contiguous = !chance(5);
    problem.empty_stages = !chance(3);
    problem.overlapped = chance(4);
    problem.communication = chance(2) ? Communication::host : Communication::p2p;
    problem.microbatches = integer(1, 3);
    // As many as all assignments allow.
    const int most = problem.stages() == 4 ? 6 : problem.stages() == 3 ? 7 : 10;
    const int nodes = integer(problem.empty_stages ? 1 : problem.stages(), most);
    for (int i = 0; i < nodes; ++i)
      problem.nodes.push_back({.op = "Add",
                               .forward_s = chance(5) ? 0 : real(),
                               .backward_input_s = chance(2) ? 0 : real(),
                               .parameter_bytes = integer(0, 9),
                               .activation_bytes = integer(0, 3)});
    if (chance(4))
      problem.nodes[0].colocate = problem.nodes[at(integer(0, nodes - 1))].colocate = 7;
    for (PartitionDevice& device : problem.devices) {
      if (chance(3)) device.speed = 0.5 + real();
      if (chance(4)) device.memory_bytes = integer(1, 70);
    }
    for (int s = 0; s < problem.stages(); ++s)
      problem.in_flight_of_stage.push_back(chance(2) ? 1 : problem.microbatches);
    const double dear = chance(4) ? 0 : chance(2) ? 0.2 : 2;  // of transfers
    for (int node = 0; node < nodes; ++node) add_value(problem, node, dear);
    return problem;
  }

 private:
  static size_t at(int index) { return static_cast<size_t>(index); }
  int integer(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random_);
  }
  bool chance(int one_in) { return integer(1, one_in) == 1; }
  double real() { return std::uniform_real_distribution<double>(0.1, 1)(random_); }

  // A value goes to later nodes, forward, or to some in any direction, as gradients do.
  void add_value(PartitionProblem& problem, int node, double dear) {
    const int nodes = static_cast<int>(problem.nodes.size());
    const bool forward = !chance(4);
    PartitionValue value{.producer = node, .readers = {}, .bytes = 1, .seconds = dear * real()};
    for (int reader = forward ? node + 1 : 0; reader < nodes; ++reader)
      if (reader != node && chance(3)) value.readers.push_back(reader);
    for (const int reader : value.readers)
      problem.edges.push_back({.from = std::min(node, reader),
                               .to = std::max(node, reader),
                               .value = node,
                               .forward_bytes = 1,
                               .ordered = forward});
    if (!value.readers.empty()) problem.values.push_back(value);
  }

  std::mt19937 random_;
};

TEST(Optimal, IsTheBestOfAllOnSmallRandomGraphs) {
  const auto optimal = PluginRegistry({kPlugins}).load_partitioner("optimal");
  RandomGraphProblem random(20261124);
  int answered = 0, refused = 0;
  for (int round = 0; round < 2500; ++round) {
    SCOPED_TRACE(round);
    const PartitionProblem problem = random();
    const double best = EveryAssignment(problem).best();
    if (best == kNever) {
      EXPECT_THAT(error_of([&] { optimal->solve(problem); }), HasSubstr("no stages keep every"));
      ++refused;
      continue;
    }
    const PartitionAnswer answer = optimal->solve(problem);
    const double found = score_partition(problem, answer.stage_of_node).bottleneck_s;
    EXPECT_NEAR(found, best, 1e-9 * best);
    EXPECT_NEAR(answer.lower_bound_s, best, 1e-9 * best);
    EXPECT_LE(answer.lower_bound_s, best * (1 + 1e-12));
    ++answered;
  }
  EXPECT_GT(answered, 1800);
  EXPECT_GT(refused, 100);
}

// Random layers on more devices than a proof in no time can handle.
PartitionProblem layers(int count, int width, int devices) {
  PartitionProblem problem = empty_problem(devices, 1);
  std::mt19937 random(11);
  std::uniform_real_distribution<double> seconds(0.5, 1.5);
  for (int node = 0; node < count * width; ++node) {
    problem.nodes.push_back({.op = "MatMul", .forward_s = seconds(random)});
    for (int from = std::max(0, node / width - 1) * width; from < node / width * width; ++from)
      problem.edges.push_back({.from = from, .to = node, .value = from, .forward_bytes = 1});
  }
  problem.link_bytes_per_s = 4;
  return problem;
}

TEST(Optimal, GivesTheBestItHasAndABoundWhenItsTimeIsUp) {
  const PartitionProblem problem = layers(40, 6, 7);
  const PluginRegistry registry({kPlugins});
  const auto optimal = registry.load_partitioner("optimal", {{"time-limit", "0"}});
  const PartitionAnswer answer = optimal->solve(problem);
  const double found = score_partition(problem, answer.stage_of_node).bottleneck_s;
  const auto balanced = registry.load_partitioner("balanced")->solve(problem);
  EXPECT_LE(found, score_partition(problem, balanced.stage_of_node).bottleneck_s);
  EXPECT_GE(answer.lower_bound_s, work_bound(problem) * (1 - 1e-12));
  EXPECT_LT(answer.lower_bound_s, found);
}

TEST(Optimal, FindsTheOrderThatOneTopologicalOrderHides) {
  // Two chains side by side, listed in turns; each belongs on a device of its own.
  PartitionProblem problem = empty_problem(2, 1);
  for (int node = 0; node < 8; ++node) {
    problem.nodes.push_back({.op = "Add", .forward_s = 1});
    if (node >= 2)
      problem.edges.push_back(
          {.from = node - 2, .to = node, .value = node - 2, .forward_bytes = 10});
  }
  problem.link_bytes_per_s = 1;
  const PluginRegistry registry({kPlugins});
  const auto seconds = [&](const char* name) {
    return score_partition(problem, registry.load_partitioner(name)->partition(problem))
        .bottleneck_s;
  };
  EXPECT_EQ(seconds("optimal"), 4);
  EXPECT_GT(seconds("balanced"), 4);
}

}  // namespace
}  // namespace headrace
