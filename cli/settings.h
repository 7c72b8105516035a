#pragma once

#include <map>
#include <string>
#include <vector>

#include "executor/run_config.h"
#include "executor/trainer.h"
#include "plugins/host/plugin_info.h"

namespace headrace {

// What a call of the program asks for: the options of all commands, with their defaults.
struct Settings {
  RunConfig run;
  TrainOptions train;
  std::string scheduler = "breadth-first";  // a plugin's name or file
  OptionValues scheduler_options;
  std::vector<std::string> schedulers;  // names to compare, each text a list with commas
  std::string partitioner = "balanced";
  OptionValues partitioner_options;
  std::vector<std::string> plugin_path;
  std::string inputs, outputs;  // .npz files of `run` and `grad`
  std::string onnx_test;        // folder of an ONNX backend test, for `run`
  int measured_steps = 5;       // of bench
  std::string report;           // page that is written
  bool actions = false;
  bool json = false;
};

}  // namespace headrace
