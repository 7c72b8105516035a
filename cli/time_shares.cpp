#include "cli/time_shares.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace headrace {

TimeShares shares_of(const Simulation& simulation, size_t device) {
  const Idle& idle = simulation.idle[device];
  return {{{"busy", "busy", "busy", simulation.busy_s[device]},
           {"warm-up", "warm-up", "warm_up", idle.warm_up_s},
           {"data", "waiting for data", "data", idle.data_s},
           {"link", "waiting for a link", "link", idle.link_s},
           {"gather", "waiting for parameters", "gather", idle.gather_s},
           {"drain", "drain", "drain", idle.drain_s}}};
}

TimeShares mean_shares(const Simulation& simulation) {
  TimeShares mean = {};
  for (size_t d = 0; d < simulation.busy_s.size(); ++d) {
    const TimeShares shares = shares_of(simulation, d);
    for (size_t s = 0; s < shares.size(); ++s) {
      const double so_far = mean[s].seconds;
      mean[s] = shares[s];
      mean[s].seconds = so_far + shares[s].seconds / static_cast<double>(simulation.busy_s.size());
    }
  }
  return mean;
}

nlohmann::ordered_json idle_json(const Simulation& simulation) {
  nlohmann::ordered_json devices = nlohmann::ordered_json::array();
  for (size_t d = 0; d < simulation.idle.size(); ++d) {
    nlohmann::ordered_json& causes = devices.emplace_back(nlohmann::ordered_json::object());
    const TimeShares shares = shares_of(simulation, d);
    for (size_t cause = 1; cause < shares.size(); ++cause)
      causes[shares[cause].key] = shares[cause].seconds;
  }
  return devices;
}

int64_t largest_peak(const Simulation& simulation) {
  int64_t most = 0;
  for (const MemoryPeak& peak : simulation.peak_memory) most = std::max(most, peak.bytes);
  return most;
}

}  // namespace headrace
