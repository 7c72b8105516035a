#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "executor/run_config.h"
#include "executor/trainer.h"
#include "plugins/host/plugin_info.h"

namespace headrace {

// The machine that `schedule` and `plan` simulate, as cluster.h reads it; replicas are the run's.
struct ClusterSettings {
  std::string file;
  std::optional<double> latency, bandwidth;
  OptionValues link;  // "0-3": "1e-3,1e9"
  std::optional<int64_t> devices_per_node, cards_per_node;
  std::optional<double> node_latency, node_bandwidth;
  std::vector<std::string> device_speed;  // each text a list with commas
  int layers_per_stage = 1;
  std::string shard = "none", regather = "stage";
  std::optional<double> replica_latency, replica_bandwidth;
};

// What `schedule` draws; where nothing is given, a file tells or the default holds.
struct ScheduleSettings {
  std::vector<std::string> schedulers;  // none: breadth-first, or the file
  std::string csv;
  std::optional<int64_t> devices, stages_per_device, microbatches;
  std::string times = "1,1,1";  // F, I and W of a device's whole share
  std::string bytes = "0,0,0,0,0";
  int64_t transfer_bytes = 0;
  double optimizer_time = 0;
  std::optional<int64_t> max_activations;
  bool lower = false, unit_steps = false;
  std::string output;
};

// What `partition` compares.
struct PartitionSettings {
  std::string costs;                    // JSON, instead of a model
  std::string devices;                  // "cpu:4", of costs also "4"; empty: of the run, the file
  std::vector<std::string> strategies;  // each text a list with commas; empty: all that are found
  bool contiguous = true;
  double time_limit = 10;  // seconds, of each strategy that has one
};

// What `tune` does with the best plans that it finds.
struct TuneSettings {
  int top = 5;           // how many are shown, and measured
  bool measure = false;  // run them
  std::string output;    // run file that is written, of the best
};

// What a call of the program asks for: the options of all commands, with their defaults.
struct Settings {
  RunConfig run;
  TrainOptions train;
  std::string scheduler = "breadth-first";  // a plugin's name or file
  OptionValues scheduler_options, device_options;
  std::vector<std::string> schedulers;  // names to compare, each text a list with commas
  std::string partitioner = "balanced";
  OptionValues partitioner_options;
  std::vector<std::string> partitioners;                  // likewise, to compare
  std::vector<std::string> try_microbatches, try_stages;  // numbers, each text a list with commas
  std::vector<std::string> plugin_path;
  std::string inputs, outputs;  // .npz files of `run` and `grad`
  std::string onnx_test;        // folder of an ONNX backend test, for `run`
  ScheduleSettings schedule;
  PartitionSettings partition;
  ClusterSettings cluster;
  std::string transport = "auto";
  int timeout_s = 300;     // of a transfer between processes
  int measured_steps = 5;  // of bench and tune
  TuneSettings tune;
  std::string dump_costs;   // file that is written
  bool node_costs = false;  // plan shows them
  std::string report;       // page that is written
  bool actions = false;
  bool json = false;
};

}  // namespace headrace
