#pragma once

#include <span>
#include <string>
#include <vector>

#include "executor/pipeline.h"
#include "scheduler/simulate.h"

namespace headrace {

// A step as it was simulated or measured: the same actions under the same names. Seconds since the
// step began.
struct Timeline {
  std::string name = {};
  std::vector<std::vector<ActionTime>> devices = {};
  std::vector<ActionTime> update = {};  // per device, or empty; its action says nothing
};

Timeline simulated_timeline(std::string name, const Simulation& simulation);

// Of the last training step of the first replica. What an action waited for counts as before it, as
// in a simulation; transfers are there where the communicator times them.
Timeline measured_timeline(std::string name, const Pipeline& pipeline);

// The same in the form of a simulation, with what devices waited for: until the transfer of an
// input began, or else until the action that makes it was over, for data; from then on for the
// link.
Simulation measured_simulation(const Pipeline& pipeline);

// Writes a Chrome/Perfetto trace (JSON object form): a process per timeline, and for each device
// rows of what it computes, sends, receives and does with its replicas; slices are named as in
// schedules ("2F0"). Written under a temporary name and renamed.
void write_trace(const std::string& path, std::span<const Timeline> timelines);

}  // namespace headrace
