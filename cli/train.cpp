#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/plugin_choice.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "cli/report.h"
#include "cli/report_runs.h"
#include "executor/devices.h"
#include "executor/watch.h"

namespace headrace {
namespace {

std::string default_output(const std::string& model) {
  return std::filesystem::path(model).stem().string() + "-trained.onnx";
}

// Shows a training on stderr; evaluations on stdout unless that is kept for JSON.
class Display {
 public:
  explicit Display(const Settings& settings)
      : evaluations_(settings.json ? stderr : stdout),
        report_(!settings.report.empty()),
        microbatches_(microbatches_in_all(settings.run)) {}

  TrainObserver observer() {
    return {.planned = [this](const auto& model, const auto& plan) { planned(model, plan); },
            .progress = [this](const TrainProgress& at) { progressed(at); },
            .evaluated = [this](const Evaluation& result) { evaluated(result); },
            .rebalanced = [this](const Rebalanced& move) { rebalanced(move); }};
  }

  void finish() {
    if (progress_) progress_->finish();
  }

 private:
  void planned(const PreparedModel& prepared, const PreparedPlan& plan) {
    // The measured step and the simulated one have the same actions. Better now than at the end.
    if (report_) check_drawable(2 * actions_in(plan.simulation));
    for (const auto& note : prepared.model.notes) spdlog::info("{}", note);
    batch_ = prepared.microbatch_size * microbatches_;
    sequences_ = prepared.targets_per_microbatch > prepared.microbatch_size;
  }

  // The first step only starts the clock: it is also the one that warms everything up.
  void progressed(const TrainProgress& at) {
    epoch_ = at.epoch;
    if (!progress_)
      progress_.emplace(at.steps, at.step);
    else
      progress_->update(at.step, at.loss, batch_);
  }

  void evaluated(const Evaluation& result) {
    if (progress_) progress_->clear();
    std::string line = fmt::format("epoch {}: loss {:.4f}", epoch_, result.loss);
    if (sequences_) line += fmt::format(", perplexity {:.3f}", std::exp(result.loss));
    if (result.accuracy) line += fmt::format(", accuracy {}", show_percent(*result.accuracy));
    fmt::print(evaluations_, "{} on {} samples\n", line, result.samples);
    std::fflush(evaluations_);
  }

  void rebalanced(const Rebalanced& move) {
    if (progress_) progress_->clear();
    std::string speeds;
    for (const double speed : move.device_speed)
      speeds += fmt::format("{}{:.2f}", speeds.empty() ? "" : ", ", speed);
    spdlog::info(
        "step {}: devices run at {} times the predicted speed; cut anew in {}, step {} "
        "predicted instead of {}",
        move.step, speeds, show_seconds(move.move_s), show_seconds(move.step_s_after),
        show_seconds(move.step_s_before));
  }

  std::FILE* evaluations_;
  bool report_;
  int64_t microbatches_;  // of a step
  std::optional<Progress> progress_;
  int64_t batch_ = 0;
  int64_t epoch_ = 0;
  bool sequences_ = false;  // a sample has several targets, as tokens have
};

nlohmann::ordered_json to_json(const TrainReport& report, const Settings& settings) {
  nlohmann::ordered_json json = {
      {"steps", report.steps},
      {"samples", report.samples},
      {"final_loss", report.losses.empty() ? nlohmann::ordered_json()
                                           : nlohmann::ordered_json(report.losses.back())},
      {"losses", report.losses}};
  if (report.evaluation) {
    json["eval"] = {{"loss", report.evaluation->loss}};
    if (report.evaluation->accuracy) json["eval"]["accuracy"] = *report.evaluation->accuracy;
    json["eval"]["samples"] = report.evaluation->samples;
  }
  json["seconds"] = report.seconds;
  json["samples_per_s"] =
      report.seconds > 0 ? static_cast<double>(report.samples) / report.seconds : 0;
  json["step_s"] = report.step_s;
  json["devices"] = report.devices;
  json["replicas"] = report.replicas;
  json["stages"] = report.stages;
  json["microbatches"] = report.microbatches;
  json["scheduler"] = settings.scheduler;
  json["partitioner"] = settings.partitioner;
  json["weights_sha256"] = report.weights_sha256;
  json["peak_bytes"] = report.peak_bytes;
  json["predicted_peak_bytes"] = report.predicted_peak_bytes;
  json["bubble"] = report.bubble;
  json["predicted_bubble"] = report.predicted_bubble;
  json["step_s_predicted"] = report.step_s_predicted;
  json["rebalanced"] = nlohmann::ordered_json::array();
  for (const Rebalanced& move : report.rebalanced)
    json["rebalanced"].push_back({{"step", move.step},
                                  {"device_speed", move.device_speed},
                                  {"step_s_before", move.step_s_before},
                                  {"step_s_after", move.step_s_after},
                                  {"move_s", move.move_s}});
  json["notes"] = report.model_notes;
  for (const std::string& note : report.notes) json["notes"].push_back(note);
  json["output"] = settings.train.output;
  return json;
}

std::string join_bytes(const std::vector<int64_t>& bytes) {
  std::string text;
  for (const int64_t each : bytes)
    text += (text.empty() ? "" : ", ") + show_bytes(static_cast<double>(each));
  return text;
}

void print_text(const TrainReport& report, const Settings& settings) {
  if (report.steps > 0) {
    fmt::print("{} steps, {} samples in {}: {:.0f} samples/s, last loss {:.4f}\n",
               show_count(report.steps), show_count(report.samples), show_seconds(report.seconds),
               static_cast<double>(report.samples) / report.seconds, report.losses.back());
    fmt::print("step {} (predicted {}), bubble {} (predicted {})\n", show_seconds(report.step_s),
               show_seconds(report.step_s_predicted), show_percent(report.bubble),
               show_percent(report.predicted_bubble));
  } else {
    fmt::print("no step was left to do\n");
  }
  fmt::print("peak memory of each device: {} (predicted {})\n", join_bytes(report.peak_bytes),
             join_bytes(report.predicted_peak_bytes));
  for (const std::string& note : report.notes) fmt::print("note: {}\n", note);
  fmt::print("weights sha256 {}\n", report.weights_sha256);
  fmt::print("trained model: {}\n", settings.train.output);
}

TrainReport train_here(const Settings& settings, const Processes& processes) {
  const ChosenPlugins plugins = choose_plugins(settings);
  Display display(settings);
  TrainReport report = train(settings.run, settings.train, *plugins.scheduler, *plugins.partitioner,
                             display.observer(), processes);
  display.finish();
  return report;
}

// One of several processes: what goes wrong in any of them ends all.
TrainReport train_with_others(const Settings& settings, ProcessGroup& group) {
  Whereabouts whereabouts(device_count(settings.run.devices));
  const Processes processes{.group = &group,
                            .timeout = std::chrono::seconds(settings.timeout_s),
                            .whereabouts = &whereabouts};
  Watch watch(group, processes.timeout, [&] { return whereabouts.text(); });
  try {
    return train_here(settings, processes);
  } catch (const Error& error) {
    watch.give_up(2, error.what());
  } catch (const std::exception& error) {
    watch.give_up(1, error.what());
  }
}

// The last step beside its simulation.
void write_pictures(const TrainReport& report, const Settings& settings) {
  std::vector<ReportedRun> runs;
  if (report.measured) {
    runs.push_back(reported_run("measured", *report.measured, report.plan));
    runs.back().measured = true;
    // The first replica is shown.
    runs.back().allocated_bytes.assign(
        report.peak_bytes.begin(), report.peak_bytes.begin() + report.devices / report.replicas);
  }
  runs.push_back(reported_run("simulated", report.predicted, report.plan));
  write_report(settings.report,
               fmt::format("{} on {}, {}, {} micro-batches{}",
                           std::filesystem::path(settings.run.model).filename().string(),
                           settings.run.devices, settings.scheduler, report.microbatches,
                           one_of_replicas(report.replicas)),
               runs, report.losses);
}

}  // namespace

void train_command(const Settings& given) {
  Settings settings = given;
  if (settings.train.output.empty()) settings.train.output = default_output(settings.run.model);
  const std::unique_ptr<ProcessGroup> group = join_processes(settings);
  const TrainReport report = group ? train_with_others(settings, *group) : train_here(settings, {});
  if (group && group->rank() != 0) return;
  if (!settings.report.empty()) write_pictures(report, settings);
  if (settings.json)
    print_json(to_json(report, settings));
  else
    print_text(report, settings);
}

}  // namespace headrace
