// A scheduler whose placement is wrong in the way that its option says.

#include <string>
#include <vector>

#include "plugins/sdk.h"

namespace sdk = headrace::sdk;

static constexpr headrace_option options[] = {
    sdk::choice_option("how", "v", "v|short|long|device|crowded|empty", "What to answer."),
};

static std::vector<int> place(const sdk::PlacementRequest& r) {
  const auto how = r.option<std::string>("how");
  std::vector<int> devices = sdk::v_shaped(r);
  if (how == "short") devices.pop_back();
  if (how == "long") devices.push_back(0);
  if (how == "device") devices.back() = r.devices();
  if (how == "crowded") devices.assign(devices.size(), 0);
  if (how == "empty") devices.clear();
  return devices;
}

static void schedule(const sdk::ScheduleRequest& r) {
  for (int stage = 0; stage < r.stages(); ++stage) r.overlap(stage, 0, stage, 0);
}

HEADRACE_DEFINE_SCHEDULER("misplacing", "Placements that are wrong.", schedule, place, options)
