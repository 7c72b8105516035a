#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "scheduler/simulate.h"

namespace headrace {

inline constexpr size_t kLeastTimeline = 40;  // columns

// A schedule as it was simulated, for a terminal: a line per device, time from left to right in
// proportion, an axis below. An action is as wide as it is long, at least a column, and bears its
// name where that fits, or the letter of its kind; in colour by F, B, I, W and by which of its
// device's stages it is, or plain with a bar at its start. No line is longer than `columns`, which
// is at least kLeastTimeline. The axis goes to `end_s` where that is beyond the step's end.
std::string timeline_text(const Simulation& simulation, std::span<const int> loop_of_stage,
                          size_t columns, bool colour, double end_s = 0);

}  // namespace headrace
