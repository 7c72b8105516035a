// A scheduler over the bare ABI. DEFECT is a statement that spoils its descriptor `p`. Its schedule
// function throws without any guard, which the ABI forbids.

#include <stdexcept>

#include "plugins/abi.h"

namespace {

[[maybe_unused]] constexpr headrace_option out_of_range[] = {
    {"depth", HEADRACE_OPTION_INT, "9", "1", "8", nullptr, "Its default is above its maximum."}};

int32_t schedule(const headrace_host*, const headrace_schedule_request*) {
  throw std::runtime_error("nobody guards this");
}

constexpr headrace_scheduler table{sizeof(headrace_scheduler), nullptr, schedule, nullptr};

}  // namespace

extern "C" HEADRACE_PLUGIN_EXPORT const headrace_plugin* headrace_plugin_entry(void) {
  static headrace_plugin p = {HEADRACE_PLUGIN_MAGIC,
                              HEADRACE_ABI_MAJOR,
                              HEADRACE_ABI_MINOR,
                              sizeof(headrace_plugin),
                              HEADRACE_KIND_SCHEDULER,
                              "defective",
                              "1",
                              "",
                              "",
                              nullptr,
                              0,
                              sizeof(headrace_option),
                              &table};
  DEFECT;
  return &p;
}
