#pragma once

#include <array>
#include <cstdint>

#include <nlohmann/json_fwd.hpp>

#include "scheduler/simulate.h"

namespace headrace {

// Busy time and idle time by cause; how pages (by CSS class), tables and JSON call them.
struct TimeShare {
  const char* css = "";
  const char* name = "";
  const char* key = "";
  double seconds = 0;
};
using TimeShares = std::array<TimeShare, 6>;  // busy first

// Of one device, to the end of the last action of all.
TimeShares shares_of(const Simulation& simulation, size_t device);

// The means over all devices.
TimeShares mean_shares(const Simulation& simulation);

// [{"warm_up": seconds, ...}] by device.
nlohmann::ordered_json idle_json(const Simulation& simulation);

// The most bytes that any device holds.
int64_t largest_peak(const Simulation& simulation);

}  // namespace headrace
