#pragma once

#include <fmt/format.h>

#include <string>

#include "scheduler/simulate.h"
#include "scheduler/text.h"

namespace headrace::testing {

// A device's actions with their times, a line each.
inline std::string times_of(const Simulation& simulation, int device) {
  std::string text;
  for (const ActionTime& t : simulation.timeline[device])
    text += fmt::format("{} {}-{}\n", to_string(t.action), t.start_s, t.end_s);
  return text;
}

}  // namespace headrace::testing
