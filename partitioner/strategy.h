#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace headrace {

// What a strategy sees of a model: the forward nodes in graph order, each with the costs of
// everything that stays with it (its I and W nodes, its parameters), and the values between them.
// A graph of costs (cost_graph.h) looks the same: a node is what must stay together.
struct PartitionNode {
  std::string op;
  double forward_s = 0, backward_input_s = 0, backward_weight_s = 0;
  int64_t parameter_bytes = 0;   // parameters, their gradients and optimizer state
  int64_t activation_bytes = 0;  // kept per micro-batch in flight
  int colocate = -1;             // nodes with the same key >= 0 share a stage

  double seconds() const { return forward_s + backward_input_s + backward_weight_s; }
};

struct PartitionEdge {
  int from = 0, to = 0;        // nodes; from < to
  int value = 0;               // edges with the same value carry the same tensor
  int64_t forward_bytes = 0;   // the activation
  int64_t backward_bytes = 0;  // its gradient; 0 where none flows back
  // Whether contiguous stages must keep `from` no later than `to`. Forward work does; what is only
  // handed from or to a backward node does not.
  bool ordered = true;
};

// A tensor that crosses where its producer and a reader are on different devices, in either
// direction. Once for each device that has a reader, whatever the number of readers there.
struct PartitionValue {
  int producer = 0;
  std::vector<int> readers;  // ascending, without the producer
  int64_t bytes = 0;
  double seconds = 0;  // of one transfer, for each of its two ends
};

// What its sender pays for a value: each of its transfers, or one write to host memory that all
// receivers read.
enum class Communication { p2p, host };

struct PartitionDevice {
  double speed = 1;          // seconds on it are the node's seconds / speed
  int64_t memory_bytes = 0;  // 0: no limit
};

struct PartitionProblem {
  std::vector<PartitionNode> nodes;
  std::vector<PartitionEdge> edges;
  std::vector<PartitionValue> values;  // all transfers; empty: as the edges say
  std::vector<PartitionDevice> devices;
  int stages_per_device = 1;
  int microbatches = 1;
  std::vector<int> device_of_stage;     // the scheduler's placement
  std::vector<int> in_flight_of_stage;  // micro-batches it holds at once; empty: all of them
  double link_bytes_per_s = 0;          // 0: transfers cost nothing
  double link_latency_s = 0;
  Communication communication = Communication::p2p;
  bool overlapped = false;    // transfers run beside the compute
  bool contiguous = true;     // ordered edges never run to an earlier stage
  bool empty_stages = false;  // a stage may have no nodes
  bool costs_only = false;    // a graph of costs: no operators, no micro-batches, no scheduler
  // What a step takes with these stages of all nodes, as the chosen scheduler runs it; infinity
  // where that is no partition or does not fit. Null: no scheduler is chosen.
  std::function<double(const std::vector<int>& stage_of_node)> simulate;

  int stages() const { return static_cast<int>(device_of_stage.size()); }
  int in_flight(int stage) const {
    return in_flight_of_stage.empty() ? microbatches
                                      : in_flight_of_stage[static_cast<size_t>(stage)];
  }
};

struct PartitionAnswer {
  std::vector<int> stage_of_node;
  double lower_bound_s = 0;  // no partition's bottleneck is less; 0: nothing is proved
};

// A partitioning strategy; plugins implement it through the host. Pure: same problem, same answer.
class PartitionStrategy {
 public:
  virtual ~PartitionStrategy() = default;
  virtual const std::string& name() const = 0;
  // Throws Error when the problem has no answer or the strategy failed.
  virtual PartitionAnswer solve(const PartitionProblem& problem) const = 0;
  // Its stages alone.
  std::vector<int> partition(const PartitionProblem& problem) const {
    return solve(problem).stage_of_node;
  }
};

// The transfers of a problem: its values, or what its edges say. An edge's gradient flows from `to`
// back to `from`.
std::vector<PartitionValue> transfers(const PartitionProblem& problem);

// Throws Error when `stage_of_node` is no partition of the problem: a stage out of range or empty,
// an ordered edge that runs backwards, colocated nodes apart, memory over a limit. Strategies come
// from plugins and are never trusted.
void check_partition(const PartitionProblem& problem, const std::vector<int>& stage_of_node,
                     const std::string& strategy);

// Seconds that each device is busy with one micro-batch (F + I + W of its stages and the transfers
// into and out of it; the larger of the two where they overlap), and what crosses between devices.
// A value is received once per device that needs it, a gradient flows back from each of them, and a
// transfer of n bytes keeps both ends busy for latency + n / bytes_per_s. `device_bytes`:
// parameters, and activations of the micro-batches in flight.
struct PartitionScore {
  std::vector<double> device_s;
  std::vector<int64_t> device_bytes;
  int64_t cut_bytes = 0;
  double cut_s = 0;  // all transfers, each counted once
  double bottleneck_s = 0;
};
PartitionScore score_partition(const PartitionProblem& problem,
                               const std::vector<int>& stage_of_node);

// No partition's bottleneck is less than an equal share of the work, or than the largest node on
// the fastest device.
double work_bound(const PartitionProblem& problem);

}  // namespace headrace
