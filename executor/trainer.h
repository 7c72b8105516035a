#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "executor/session.h"

namespace headrace {

struct TrainOptions {
  std::string data, eval;                // eval: empty for none
  std::optional<int64_t> epochs, steps;  // one of them; neither: one epoch
  bool shuffle = true;
  std::string output;  // trained model; empty: none is written
  bool external_data = false;
  std::string checkpoint;        // folder; empty: none
  int64_t checkpoint_every = 0;  // steps; 0: only at the end
  bool resume = false;
  std::string log;           // JSON lines, one per step
  std::string dump_weights;  // .npz
  std::string trace;         // Chrome trace of the last step
  // Cuts anew between steps, where devices turn out to be slower or faster than planned.
  bool rebalance = false;
  int rebalance_window = 10;  // steps that are watched each time
};

struct Evaluation {
  double loss = 0;
  std::optional<double> accuracy;  // share of right targets, of the first classifying loss
  int64_t samples = 0;
};

// A new cut that the training went over to.
struct Rebalanced {
  int64_t step = 0;  // done before it
  std::vector<double> device_speed;
  double step_s_before = 0, step_s_after = 0;  // predicted at these speeds
  double move_s = 0;                           // what the move took
};

struct TrainReport {
  int64_t steps = 0, samples = 0;  // of this call
  int64_t overflowed_steps = 0;    // of f16, which updated nothing
  std::vector<double> losses;
  std::optional<Evaluation> evaluation;
  double seconds = 0;
  double step_s = 0;                 // median
  int devices = 0, replicas = 1;     // devices of all replicas
  int stages = 0, microbatches = 0;  // of each replica
  std::string weights_sha256;
  std::vector<int64_t> peak_bytes, predicted_peak_bytes;  // per device, replica by replica
  double bubble = 0, predicted_bubble = 0;
  double step_s_predicted = 0;
  std::vector<double> step_seconds;  // of every step
  std::vector<Rebalanced> rebalanced;
  StagePlan plan;
  Simulation predicted;  // a step
  // The last step in the same form, of the first replica; none was left to do.
  std::optional<Simulation> measured;
  std::vector<std::string> model_notes, notes;  // the model's, the training's own
};

// What a caller may show while training goes on.
struct TrainProgress {
  int64_t step = 0, steps = 0;  // done, in all (a resumed run starts where it stopped)
  double loss = 0, learning_rate = 0, samples_per_s = 0;
  int64_t epoch = 0;
};
struct TrainObserver {
  std::function<void(const PreparedModel&, const PreparedPlan&)> planned = {};
  std::function<void(const TrainProgress&)> progress = {};
  std::function<void(const Evaluation&)> evaluated = {};
  std::function<void(const Rebalanced&)> rebalanced = {};
  // Called in every process before anything runs: devices may be wrapped.
  std::function<void(std::vector<std::unique_ptr<Device>>&)> devices = {};
};

// Trains as asked: data, steps, evaluation after each epoch, checkpoints, the model written at the
// end. Throws Error for a wrong call, RunError when the run failed (nothing half-written is left).
// Of several processes each makes the same call; rank 0 alone writes and observes, all report.
TrainReport train(const RunConfig& config, const TrainOptions& options, const Scheduler& scheduler,
                  const PartitionStrategy& strategy, const TrainObserver& observer,
                  const Processes& processes = {});

// Share of the first replica's time in the last step that no action ran, on the busiest device's
// terms as Simulation::bubble_makespan.
double measured_bubble(const Pipeline& pipeline);

}  // namespace headrace
