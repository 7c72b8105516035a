// run_scheduler FILE DEVICES STAGES_PER_DEVICE MICROBATCHES [option=value...]: prints the schedule
// of one plugin as CSV, validated.

#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <string>

#include "plugins/host/registry.h"
#include "scheduler/plan_for.h"
#include "scheduler/text.h"
#include "scheduler/validate.h"

int main(int argc, char** argv) {
  using namespace headrace;
  if (argc < 5) {
    fmt::print(stderr,
               "run_scheduler FILE DEVICES STAGES_PER_DEVICE MICROBATCHES [option=value...]\n");
    return 2;
  }
  try {
    OptionValues options;
    for (int i = 5; i < argc; ++i) {
      const std::string text = argv[i];
      options[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
    }
    const auto scheduler = PluginRegistry().load_scheduler(argv[1], options);
    ScheduleRequest request{.devices = std::atoi(argv[2]), .microbatches = std::atoi(argv[4])};
    request.device_of_stage =
        scheduler->place(request.devices, std::atoi(argv[3]), request.microbatches);
    const Schedule schedule = scheduler->schedule(request);
    validate(schedule, plan_for(request.device_of_stage, StageCost{}), argv[1]);
    fmt::print("{}", to_csv(schedule));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
