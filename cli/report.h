#pragma once

#include <span>
#include <string>
#include <vector>

#include "partitioner/stage_plan.h"
#include "scheduler/memory.h"
#include "scheduler/simulate.h"

namespace headrace {

// A schedule as it was simulated, or measured and put in the same form, for a report to show.
struct ReportedRun {
  std::string name = {};
  bool measured = false;
  Simulation simulation = {};
  std::vector<int> loop_of_stage = {};                // which of its device's stages it is
  std::vector<std::vector<MemoryPoint>> memory = {};  // per device
  std::vector<int64_t> allocated_bytes = {};          // measured: per device
};

// Which of its device's stages each stage is.
std::vector<int> loops_of(const StagePlan& plan);

ReportedRun reported_run(std::string name, const Simulation& simulation, const StagePlan& plan,
                         const DataParallel& data_parallel = {});

// Writes one HTML page that needs no other file and no network: figures of all runs in a table,
// then for each run its timeline per device, its idle time by cause and its memory over time, all
// on one time axis; first of all the curve of `losses`, one per step, if there are any. What the
// mouse points at is told beside it. Written under a temporary name and renamed. Throws Error when
// there are too many actions to draw.
void write_report(const std::string& path, const std::string& title,
                  std::span<const ReportedRun> runs, std::span<const double> losses = {});

}  // namespace headrace
