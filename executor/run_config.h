#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "executor/backend.h"
#include "executor/learning_rate.h"
#include "graph/optimizer.h"

namespace headrace {

// What a run is asked to do; the command line and RUN.toml fill it in. Plugins are not named here:
// the caller loads them and passes their interfaces (session.h).
struct RunConfig {
  std::string model;
  std::string devices = "cpu:1";           // devices.h
  std::shared_ptr<const Backend> backend;  // that makes them; null: they are CPUs
  int threads_per_device = 0;              // 0: the machine's cores divided by the devices
  int stages_per_device = 1;
  std::optional<int64_t> batch;      // samples per step
  int microbatches = 1;              // of each replica
  int data_parallel = 1;             // replicas of the pipeline, which share devices and batch out
  std::string precision = "f32";     // of products and convolutions; or "bf16", "f16"
  std::string cost = "analytic";     // or "profile", or a file of measured costs
  std::string memory;                // limits of the devices (device_limits.h)
  std::string recompute = "auto";    // or "none", "stage" (session.h)
  bool simulate_cuts = true;         // partitioners may ask what a step takes
  std::vector<double> device_speed;  // seconds are the costs' divided by it; empty: 1 everywhere
  std::map<std::string, int64_t> bind;
  std::string fixed_inputs;         // .npz of inputs that are the same in every batch
  std::vector<std::string> losses;  // KIND[:output[:target]][*weight]
  std::vector<std::string> freeze;
  std::string untie = "auto";
  bool initialize = true;  // run the initialization graph of the model's training_info
  OptimizerSpec optimizer;
  LearningRateSpec rate;
  double clip_norm = 0;
  uint64_t seed = 0;
};

}  // namespace headrace
