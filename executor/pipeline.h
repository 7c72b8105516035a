#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "executor/device_team.h"
#include "executor/loss_scale.h"
#include "executor/own_update.h"
#include "executor/pass.h"
#include "executor/processes.h"
#include "executor/reduction.h"
#include "executor/transfer_table.h"
#include "executor/update.h"
#include "graph/autodiff.h"
#include "graph/optimizer.h"
#include "partitioner/stage_plan.h"
#include "scheduler/simulate.h"

namespace headrace {

// Everything a pipeline is built from; layouts are settled in the training graph.
struct PipelineSpec {
  TrainingGraph training;
  std::vector<ValueId> metrics;  // forward scalars that evaluation wants beside the loss
  StagePlan plan;                // of one replica
  Schedule schedule;             // its compute actions
  int replicas = 1;              // copies of the whole pipeline, each with micro-batches of its own
  Links links;                   // for the simulation that memory is planned by
  OptimizerSpec optimizer;
  std::optional<WrittenUpdate> update;  // the model's own, in place of `optimizer`
  double clip_norm = 0;                 // 0: no clipping
  bool scale_losses = false;            // gradients are in f16
  uint64_t seed = 0;
  Processes processes;
};

// A message of the last training step; seconds since the step began.
struct MeasuredTransfer {
  int from_stage = 0, to_stage = 0, from_device = 0, to_device = 0, microbatch = 0;
  bool forward = true;
  double start_s = 0, end_s = 0;
};

struct StepInfo {
  int64_t step = 0;
  double learning_rate = 0;
};

// Trains one graph over several devices, one thread each, of this process or of several. Not
// thread-safe: one caller. After a call threw, only the destructor may follow. Of several processes
// each makes the same calls in the same order; what a call returns is the same in all of them.
// Devices and micro-batches are numbered replica by replica.
class Pipeline {
 public:
  // Those of `devices` that other processes have are null.
  Pipeline(PipelineSpec spec, std::vector<std::unique_ptr<Device>> devices);
  ~Pipeline();

  // The end of a pipeline whose devices go on.
  static std::vector<std::unique_ptr<Device>> dismantle(std::unique_ptr<Pipeline> pipeline);

  const TrainingGraph& training() const { return spec_.training; }
  const StagePlan& plan() const { return spec_.plan; }
  int devices() const { return static_cast<int>(devices_.size()); }  // of all replicas
  int devices_per_replica() const { return devices() / spec_.replicas; }
  int microbatches() const { return spec_.schedule.microbatches * spec_.replicas; }

  // Row-major contents of an input for one micro-batch, copied to every device that reads it.
  void feed(ValueId input, int microbatch, const void* data);
  // The micro-batch's share of the mini-batch's mean (TrainingGraph::loss_seed).
  void feed_share(int microbatch, float share);

  // Forward and backward over all micro-batches; gradients stay in the accumulators. Returns the
  // loss: the sum over micro-batches of loss times seed.
  double accumulate_gradients(const StepInfo& info);
  // The same, then clipping and the update.
  double train_step(const StepInfo& info);
  // Where losses are scaled: the factor of the next step, and whether the last step's gradients
  // were finite; otherwise it updated no parameter.
  const LossScale& loss_scale() const { return loss_scale_; }
  void set_loss_scale(const LossScale& scale) { loss_scale_ = scale; }
  bool updated() const { return !overflowed_; }
  // Forward alone, with running statistics and no dropout; then `metric` reads its results.
  void evaluate();
  // Scalar f32 of one micro-batch after evaluate().
  double metric(ValueId id, int microbatch) const;
  // A kept result (loss, metrics, model outputs) of one micro-batch, row-major.
  HostTensor result(ValueId id, int microbatch) const;

  bool holds(ValueId weight) const;
  // Parameters and states by value id; writing reaches every device that holds a copy.
  HostTensor weight(ValueId id) const;
  void set_weight(ValueId id, const HostTensor& data);
  HostTensor optimizer_state(ValueId parameter, const std::string& name) const;
  void set_optimizer_state(ValueId parameter, const std::string& name, const HostTensor& data);
  // States of the model's own update by name; writing reaches every device that has it.
  std::vector<std::string> own_states() const;
  HostTensor own_state(const std::string& name) const;
  void set_own_state(const std::string& name, const HostTensor& data);
  // Summed gradient after accumulate_gradients().
  HostTensor gradient(ValueId parameter) const;

  // When each action of the last pass ran, seconds since the pass began in the device's process.
  std::vector<ActionRecord> actions(int device) const;
  // What was sent in the first replica in the last training pass, where the communicator knows
  // when.
  std::vector<MeasuredTransfer> transfers() const;
  // The update of the last training step; its action says nothing.
  ActionTime update(int device) const;
  double step_seconds() const { return step_seconds_; }  // of the last pass, update included
  // What its devices leave to others (Device::detours), of those in this process.
  std::set<std::string> detours() const;
  std::vector<int64_t> peak_bytes() const;       // per device: weights, state, arena, workspace
  std::vector<int64_t> workspace_bytes() const;  // of that, what only running kernels use

 private:
  std::vector<TransferTable> transfer_tables(const PassSpec& pass) const;
  void compile(PassSpec pass, const Schedule& schedule,
               const std::vector<DeviceReduction>& reductions, std::vector<TransferTable>& tables,
               std::vector<DeviceProgram>& programs);
  bool here(size_t device) const { return devices_[device] != nullptr; }
  void find_holders(const PassSpec& training, const PassSpec& evaluation);
  void check_holders() const;
  void check_agreement() const;
  void find_own_holders();
  void compile_update(const std::vector<DeviceReduction>& reductions,
                      std::vector<Transfer>& transfers);
  void bind_arenas();
  void make_links(std::vector<Transfer> step, std::vector<Transfer> evaluation);
  void make_tasks();
  void run(const std::function<void(int)>& task);
  void await_queues();
  float read_scalar(ValueId id, int microbatch) const;  // of a device of this process
  double weighted_loss() const;
  double agree_on_norm(int device);
  bool settle_scale(int device, StepContext& update);
  double scale() const { return spec_.scale_losses ? loss_scale_.value : 1.0; }
  size_t holder_of(ValueId weight) const;
  size_t maker_of(ValueId computed, int microbatch) const;
  int microbatch_in_replica(int microbatch) const {
    return microbatch % spec_.schedule.microbatches;
  }
  // What a device's own process reads, known to all.
  template <typename Read>
  auto from_owner(size_t device, const Read& read) const {
    ProcessGroup& group = *spec_.processes.group;
    return computed_by(group, group.owner(static_cast<int>(device), devices()), read);
  }
  HostTensor tensor_from_owner(size_t device, const TensorType& type,
                               const std::function<HostTensor()>& read) const;

  PipelineSpec spec_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::unique_ptr<DeviceMemory>> memories_;

  std::vector<DeviceProgram> training_programs_, evaluation_programs_;
  std::vector<UpdatePrograms> update_programs_;
  std::vector<PlannedTransfer> training_transfers_;      // of the first replica
  std::vector<ActionTime> updates_;                      // per device
  std::vector<std::unique_ptr<OwnUpdate>> own_updates_;  // per device; none: the optimizer's
  std::map<std::string, size_t> holder_of_own_state_;    // the first device
  Graph evaluation_graph_;
  std::vector<Buffer> arenas_, workspaces_;
  // Behind all memory that they copy: after a failure messages may be under way.
  std::unique_ptr<Communicator> step_link_, evaluation_link_;
  std::vector<int> device_of_value_;  // in its replica, where a computed value is made; -1: nowhere
  std::vector<std::set<ValueId>> holds_;  // weights of each device
  std::vector<ValueId> roots_;

  std::vector<float> shares_;          // per micro-batch
  std::vector<double> squared_norms_;  // per entry of training.gradients
  StepInfo info_;
  LossScale loss_scale_;
  std::atomic<bool> overflowed_ = false;  // the gradients of the last step
  std::chrono::steady_clock::time_point started_, training_started_;  // the last pass of each
  double step_seconds_ = 0;
  std::vector<std::function<void(const Action&)>> begins_;  // per device
  std::function<void(int)> gradient_task_, train_task_, evaluation_task_;
  std::function<void()> stop_all_;
  std::unique_ptr<DeviceTeam> team_;
};

}  // namespace headrace
