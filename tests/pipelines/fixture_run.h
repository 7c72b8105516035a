#pragma once

#include <map>
#include <random>
#include <string>

#include "executor/pipeline.h"
#include "executor/run_config.h"
#include "executor/session.h"
#include "plugins/host/plugin_info.h"

namespace headrace {

// How one of the repository's small models is run in a test.
struct FixtureRun {
  std::string model;  // path, from the source tree on
  std::string devices = "cpu:1";
  OptionValues device_options = {};  // of a plugin's devices
  int stages_per_device = 1;
  std::string scheduler = "gpipe";
  OptionValues scheduler_options = {};
  std::string partitioner = "balanced";
  int64_t batch = 8;
  int microbatches = 4;
  int data_parallel = 1;
  std::string loss = "cross-entropy";
  std::string optimizer = "adamw";
  double clip_norm = 0;
  std::string precision = "f32";
  std::string recompute = "auto";
  std::string memory = {};
};

// A run that was prepared from a fixture, fed with random data that only depends on the step.
class FixtureTraining {
 public:
  explicit FixtureTraining(const FixtureRun& run);
  FixtureTraining(const FixtureRun& run, std::vector<std::unique_ptr<Device>> devices,
                  const Processes& processes = {});

  double step();
  void feed(int64_t step);
  // What a run of `of` micro-batches would be fed from its micro-batch `first` on.
  void feed_part(int64_t step, int first, int of);
  // Every micro-batch the same.
  void feed_alike(int64_t step);
  Pipeline& pipeline() { return *pipeline_; }
  const PreparedModel& prepared() const { return prepared_; }
  const PreparedPlan& plan() const { return plan_; }
  std::map<std::string, HostTensor> weights() const { return read_weights(*pipeline_); }

 private:
  void feed_microbatch(int microbatch, float share, std::mt19937_64& random);

  RunConfig config_;
  PreparedModel prepared_;
  PreparedPlan plan_;
  std::unique_ptr<Pipeline> pipeline_;
  int64_t step_ = 0;
};

// A configuration of nothing but devices: CPUs with a thread each, "cpu:2", or a plugin's, which
// the options are for.
RunConfig run_on(const std::string& devices, const OptionValues& options = {});

// The same run in one stage on one device, or one for each replica.
FixtureRun on_one_device(FixtureRun run);

// Weights after `steps` steps.
std::map<std::string, HostTensor> train_fixture(const FixtureRun& run, int steps);

// Names of tensors that differ in any bit.
std::string differing(const std::map<std::string, HostTensor>& a,
                      const std::map<std::string, HostTensor>& b);

}  // namespace headrace
