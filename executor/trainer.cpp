#include "executor/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "executor/agreed.h"
#include "executor/checkpoint.h"
#include "executor/devices.h"
#include "executor/feeding.h"
#include "executor/median.h"
#include "executor/rebalance.h"
#include "executor/seconds_since.h"
#include "executor/trace.h"
#include "graph/error.h"
#include "loader/data/batches.h"
#include "loader/npz.h"

namespace headrace {
namespace {

using Clock = std::chrono::steady_clock;
class Trainer {
 public:
  Trainer(const RunConfig& config, const TrainOptions& options, const Scheduler& scheduler,
          const PartitionStrategy& strategy, const TrainObserver& observer,
          const Processes& processes)
      : config_(config),
        options_(options),
        scheduler_(*processes.group, scheduler),
        strategy_(*processes.group, strategy, scheduler_),
        processes_(processes),
        observer_(observer),
        speed_watch_(options.rebalance_window) {
    if (!processes.first()) observer_ = {.devices = observer.devices};
    check(config.rate);
    pipeline_devices(config);  // refused before anything is read or measured
    if (options.data.empty()) throw Error("no training data: give --data");
    if (options.epochs && options.steps) throw Error("--epochs and --steps exclude each other");
    if (options.resume && options.checkpoint.empty())
      throw Error("--resume needs the folder: give --checkpoint");
    auto devices = make_devices(config, processes);
    if (observer_.devices) observer_.devices(devices);
    Device& device = **std::find_if(devices.begin(), devices.end(),
                                    [](const auto& each) { return each != nullptr; });
    prepared_ = prepare_model(config, device);
    if (processes.first()) costs_ = plan_costs(prepared_, config, device);
    costs_ = agreed(*processes.group, std::move(costs_));
    plan_ = prepare_plan(prepared_, config, scheduler_, strategy_, costs_);
    if (observer_.planned) observer_.planned(prepared_, plan_);
    open_data();
    build(std::move(devices));
  }

  TrainReport run() {
    int64_t step = options_.resume ? resume() : 0;
    const int64_t first = step;
    const int64_t per_epoch = source_->batches_per_epoch();
    total_steps_ = options_.steps ? *options_.steps : options_.epochs.value_or(1) * per_epoch;
    std::ofstream log = open_log(step > 0);
    const auto started = Clock::now();
    while (step < total_steps_) {
      const auto step_started = Clock::now();
      const double rate = learning_rate(config_.rate, step, total_steps_);
      feed_batch(*pipeline_, prepared_, feeds_, source_->next().fields);
      const double loss = pipeline_->train_step({.step = step, .learning_rate = rate});
      ++step;
      report_.step_seconds.push_back(seconds_since(step_started));
      report_.losses.push_back(loss);
      report_.overflowed_steps += pipeline_->updated() ? 0 : 1;
      if (!std::isfinite(loss))
        throw RunError("the loss is {} at step {}: a smaller --lr or --clip-norm may help", loss,
                       step);
      if (log.is_open())
        log << nlohmann::json{{"step", step},
                              {"loss", loss},
                              {"lr", rate},
                              {"seconds", report_.step_seconds.back()}}
            << '\n'
            << std::flush;
      show(step, first, loss, rate, seconds_since(started));
      if (evaluation_source_ && (step % per_epoch == 0 || step == total_steps_)) evaluate();
      if (!options_.checkpoint.empty() &&
          (step == total_steps_ ||
           (options_.checkpoint_every > 0 && step % options_.checkpoint_every == 0)))
        save(step);
      if (options_.rebalance && step < total_steps_) rebalance_after(step, step - first);
    }
    if (evaluation_source_ && !report_.evaluation) evaluate();
    report_.seconds = seconds_since(started);
    report_.steps = step - first;
    finish();
    return std::move(report_);
  }

 private:
  void build(std::vector<std::unique_ptr<Device>> devices) {
    const auto started = Clock::now();
    pipeline_ = make_pipeline(prepared_, plan_, config_, std::move(devices), processes_);
    build_s_ = seconds_since(started);
    broadcast(*processes_.group, build_s_, 0);
  }

  // Weights and states go over to a pipeline of the new cut; the bits of the training stay.
  void rebalance_after(int64_t step, int64_t steps_here) {
    if (steps_here <= 2) return;  // caches and pages are warm behind them
    speed_watch_.observe(*pipeline_);
    auto speeds = speed_watch_.speeds(plan_.plan, config_.microbatches);
    if (!speeds) return;
    broadcast(*processes_.group, *speeds, 0);
    auto found = rebalance(prepared_, config_, scheduler_, strategy_, costs_, plan_, *speeds,
                           total_steps_ - step, build_s_);
    if (!found) return;
    const auto started = Clock::now();
    const Checkpoint weights = capture(step);
    auto devices = Pipeline::dismantle(std::move(pipeline_));
    plan_ = std::move(found->plan);
    build(std::move(devices));
    restore(weights);
    report_.rebalanced.push_back({.step = step,
                                  .device_speed = found->device_speed,
                                  .step_s_before = found->step_s_before,
                                  .step_s_after = found->step_s_after,
                                  .move_s = seconds_since(started)});
    if (observer_.rebalanced) observer_.rebalanced(report_.rebalanced.back());
  }

  void open_data() {
    feeds_ = feed_plan(prepared_);
    const int64_t batch = prepared_.microbatch_size * microbatches_in_all(config_);
    const auto open = [&](const std::string& path) {
      std::shared_ptr<const Dataset> dataset = open_dataset(path, feeds_.inputs, feeds_.targets);
      check_ranges(prepared_, feeds_, *dataset);
      return dataset;
    };
    source_ =
        std::make_unique<BatchSource>(open(options_.data), batch, options_.shuffle, config_.seed);
    if (options_.eval.empty()) return;
    // Padding is told apart by targets that do not count; other losses see whole batches only.
    evaluation_source_ =
        std::make_unique<BatchSource>(open(options_.eval), batch, false, config_.seed,
                                      prepared_.counted_target ? Remainder::pad : Remainder::drop);
  }

  std::ofstream open_log(bool append) const {
    std::ofstream log;
    if (options_.log.empty() || !processes_.first()) return log;
    log.open(options_.log, append ? std::ios::app : std::ios::trunc);
    if (!log) throw Error("--log {}: cannot be written", options_.log);
    return log;
  }

  void show(int64_t step, int64_t first, double loss, double rate, double seconds) const {
    if (!observer_.progress) return;
    const auto done = static_cast<double>((step - first) * source_->batch_size());
    observer_.progress({.step = step,
                        .steps = total_steps_,
                        .loss = loss,
                        .learning_rate = rate,
                        .samples_per_s = done / seconds,
                        .epoch = (step - 1) / source_->batches_per_epoch() + 1});
  }

  void evaluate() {
    Evaluation result;
    double loss = 0, weight = 0, correct = 0;
    evaluation_source_->seek({0, 0});
    const int64_t microbatch = prepared_.microbatch_size;
    for (int64_t b = 0; b < evaluation_source_->batches_per_epoch(); ++b) {
      const Batch& batch = evaluation_source_->next();
      const auto fields = without_padding(batch);
      feed_batch(*pipeline_, prepared_, feeds_, fields);
      pipeline_->evaluate();
      result.samples += batch.samples;
      for (int m = 0; m < pipeline_->microbatches(); ++m) {
        if (m * microbatch >= batch.samples) break;
        const auto counted = static_cast<double>(counted_targets(prepared_, feeds_, fields, m));
        if (counted == 0) continue;
        loss += pipeline_->metric(prepared_.training.loss, m) * counted;
        weight += counted;
        if (!prepared_.correct_counts.empty())
          correct += pipeline_->metric(prepared_.correct_counts[0], m);
      }
    }
    result.loss = weight == 0 ? 0 : loss / weight;
    if (!prepared_.correct_counts.empty() && weight > 0) result.accuracy = correct / weight;
    report_.evaluation = result;
    if (observer_.evaluated) observer_.evaluated(result);
  }

  // The batch's fields, with the targets of samples that only fill it up marked as not counting.
  std::vector<std::span<const std::byte>> without_padding(const Batch& batch) {
    auto fields = batch.fields;
    if (batch.samples == evaluation_source_->batch_size()) return fields;
    const auto f = static_cast<size_t>(
        std::find(feeds_.values.begin(), feeds_.values.end(), *prepared_.counted_target) -
        feeds_.values.begin());
    const size_t count = fields[f].size() / sizeof(int64_t);
    const size_t per_sample = count / static_cast<size_t>(evaluation_source_->batch_size());
    const auto* targets = reinterpret_cast<const int64_t*>(fields[f].data());
    padded_targets_.assign(targets, targets + count);
    std::fill(padded_targets_.begin() +
                  static_cast<std::ptrdiff_t>(static_cast<size_t>(batch.samples) * per_sample),
              padded_targets_.end(), kIgnoredTarget);
    fields[f] = std::as_bytes(std::span<const int64_t>(padded_targets_));
    return fields;
  }

  const Graph& graph() const { return pipeline_->training().graph; }

  // What must be the same for a resumed run to be the uninterrupted one.
  std::map<std::string, std::string> fingerprint() const {
    return {{"batch", std::to_string(source_->batch_size())},
            {"microbatches", std::to_string(config_.microbatches)},
            {"data_parallel", std::to_string(config_.data_parallel)},
            {"optimizer", prepared_.model.update ? "the model's own" : config_.optimizer.name},
            {"precision", config_.precision},
            {"data_samples", std::to_string(source_->dataset().samples())}};
  }

  Checkpoint capture(int64_t step) const {
    Checkpoint checkpoint;
    for (size_t v = 0; v < graph().values().size(); ++v) {
      const Value& value = graph().values()[v];
      const auto id = static_cast<ValueId>(v);
      if (!pipeline_->holds(id)) continue;
      if (value.role == Role::parameter) checkpoint.parameters[value.name] = pipeline_->weight(id);
      if (value.role == Role::state) checkpoint.states[value.name] = pipeline_->weight(id);
    }
    for (const std::string& state : pipeline_->own_states())
      checkpoint.states[state] = pipeline_->own_state(state);
    if (!prepared_.model.update)
      for (const auto& gradient : pipeline_->training().gradients)
        for (const auto& state : optimizer_state_names(config_.optimizer))
          checkpoint.optimizer[graph().value(gradient.parameter).name][state] =
              pipeline_->optimizer_state(gradient.parameter, state);
    checkpoint.step = step;
    checkpoint.data = source_->position();
    checkpoint.seed = config_.seed;
    checkpoint.config = fingerprint();
    const LossScale& scale = pipeline_->loss_scale();
    checkpoint.config["loss_scale"] = fmt::format("{} {}", scale.value, scale.good_steps);
    return checkpoint;
  }

  void save(int64_t step) const {
    const Checkpoint checkpoint = capture(step);
    if (processes_.first()) save_checkpoint(options_.checkpoint, checkpoint);
  }

  int64_t resume() {
    Checkpoint checkpoint = load_checkpoint(options_.checkpoint);
    checkpoint.config.try_emplace("precision", "f32");  // older ones do not say
    checkpoint.config.try_emplace("data_parallel", "1");
    if (checkpoint.seed != config_.seed)
      throw Error("--resume: the checkpoint was made with --seed {}, this run has {}",
                  checkpoint.seed, config_.seed);
    for (const auto& [key, value] : fingerprint())
      if (const auto it = checkpoint.config.find(key);
          it == checkpoint.config.end() || it->second != value)
        throw Error("--resume: the checkpoint was made with {} {}, this run has {}", key,
                    it == checkpoint.config.end() ? "unknown" : it->second, value);
    restore(checkpoint);
    source_->seek(checkpoint.data);
    return checkpoint.step;
  }

  void restore(const Checkpoint& checkpoint) {
    const auto tensor = [&](const auto& map, const std::string& name, const TensorType& type) {
      const auto it = map.find(name);
      if (it == map.end()) throw Error("--resume: the checkpoint has no '{}'", name);
      if (it->second.type != type)
        throw Error("--resume: '{}' is {} in the checkpoint and {} in the model", name,
                    to_string(it->second.type), to_string(type));
      return it->second;
    };
    for (size_t v = 0; v < graph().values().size(); ++v) {
      const Value& value = graph().values()[v];
      const auto id = static_cast<ValueId>(v);
      if (!pipeline_->holds(id) || (value.role != Role::parameter && value.role != Role::state))
        continue;
      pipeline_->set_weight(
          id, tensor(value.role == Role::parameter ? checkpoint.parameters : checkpoint.states,
                     value.name, value.type));
    }
    for (const std::string& state : pipeline_->own_states())
      pipeline_->set_own_state(state,
                               tensor(checkpoint.states, state, pipeline_->own_state(state).type));
    LossScale scale;
    if (const auto it = checkpoint.config.find("loss_scale"); it != checkpoint.config.end())
      std::istringstream(it->second) >> scale.value >> scale.good_steps;
    pipeline_->set_loss_scale(scale);
    if (prepared_.model.update) return;
    for (const auto& gradient : pipeline_->training().gradients) {
      const Value& value = graph().value(gradient.parameter);
      const auto of_parameter = checkpoint.optimizer.find(value.name);
      for (const auto& state : optimizer_state_names(config_.optimizer)) {
        if (of_parameter == checkpoint.optimizer.end())
          throw Error("--resume: the checkpoint has no optimizer state of '{}'", value.name);
        pipeline_->set_optimizer_state(gradient.parameter, state,
                                       tensor(of_parameter->second, state, value.type));
      }
    }
  }

  void finish() {
    report_.samples = report_.steps * source_->batch_size();
    if (!report_.step_seconds.empty()) report_.step_s = median(report_.step_seconds);
    report_.devices = pipeline_->devices();
    report_.replicas = config_.data_parallel;
    report_.stages = plan_.plan.stages();
    report_.microbatches = config_.microbatches;
    report_.peak_bytes = pipeline_->peak_bytes();
    report_.predicted_peak_bytes = predicted_peak_bytes(plan_, config_.data_parallel);
    report_.bubble = report_.steps == 0 ? 0 : measured_bubble(*pipeline_);
    report_.predicted_bubble = plan_.simulation.bubble_makespan;
    report_.step_s_predicted = plan_.simulation.step_s;
    report_.model_notes = prepared_.model.notes;
    if (report_.overflowed_steps > 0)
      report_.notes.push_back(
          fmt::format("{} of {} steps overflowed f16 and updated nothing; the loss's scale is {}",
                      report_.overflowed_steps, report_.steps, pipeline_->loss_scale().value));
    if (const auto detours = pipeline_->detours(); !detours.empty())
      report_.notes.push_back(fmt::format(
          "the host runs {}, which the devices have no kernels for, by copies both ways",
          fmt::join(detours, ", ")));
    report_.plan = plan_.plan;
    report_.predicted = plan_.simulation;
    if (report_.steps > 0) report_.measured = measured_simulation(*pipeline_);

    const auto weights = read_weights(*pipeline_);
    report_.weights_sha256 = parameters_sha256(graph(), weights);
    std::vector<Timeline> timelines;
    if (!options_.trace.empty())
      timelines = {measured_timeline("measured", *pipeline_),
                   simulated_timeline("simulated", plan_.simulation)};
    if (!processes_.first()) return;
    if (!options_.dump_weights.empty()) write_npz(options_.dump_weights, weights);
    if (!options_.trace.empty()) write_trace(options_.trace, timelines);
    if (!options_.output.empty())
      save_model(prepared_.model, options_.output, weights, options_.external_data);
  }

  const RunConfig& config_;
  const TrainOptions& options_;
  AgreedScheduler scheduler_;
  AgreedStrategy strategy_;
  const Processes& processes_;
  TrainObserver observer_;
  PreparedModel prepared_;
  PreparedPlan plan_;
  FeedPlan feeds_;
  std::unique_ptr<BatchSource> source_, evaluation_source_;
  std::unique_ptr<Pipeline> pipeline_;
  std::vector<int64_t> padded_targets_;
  int64_t total_steps_ = 0;
  PlanCosts costs_;
  SpeedWatch speed_watch_;
  double build_s_ = 0;  // what making the pipeline took
  TrainReport report_;
};

}  // namespace

TrainReport train(const RunConfig& config, const TrainOptions& options, const Scheduler& scheduler,
                  const PartitionStrategy& strategy, const TrainObserver& observer,
                  const Processes& processes) {
  return Trainer(config, options, scheduler, strategy, observer, processes).run();
}

double measured_bubble(const Pipeline& pipeline) {
  double first = 1e300, last = 0, busiest = 0;
  for (int d = 0; d < pipeline.devices_per_replica(); ++d) {
    const std::vector<ActionRecord> records = pipeline.actions(d);
    for (const ActionRecord& record : records) {
      first = std::min(first, record.start_s);
      last = std::max(last, record.end_s);
    }
    busiest = std::max(busiest, busy_seconds(records));
  }
  return last > first ? (last - first - busiest) / (last - first) : 0;
}

}  // namespace headrace
