#pragma once

#include <span>
#include <string>

#include "cli/option.h"

namespace headrace {

// Every command writes its answer to stdout and everything else to stderr. Throws Error for a wrong
// call or input, RunError when the work failed.
void train_command(const Settings& settings);
void plan_command(const Settings& settings);
void bench_command(const Settings& settings);
void tune_command(const Settings& settings);
void run_command(const Settings& settings);
void grad_command(const Settings& settings);
void inspect_command(const Settings& settings);
void partition_command(const Settings& settings);
void schedule_command(const Settings& settings);
void plugins_command(const Settings& settings);

struct Command {
  std::string name = {};
  CommandBit bit = kTrain;
  std::string argument = {};  // what help calls the model; empty: there is none
  bool takes_run_file = false;
  std::string summary = {};
  std::string examples = {};
  void (*run)(const Settings&) = nullptr;
};

std::span<const Command> all_commands();

}  // namespace headrace
