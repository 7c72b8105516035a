#include "scheduler/schedule.h"

#include <algorithm>

namespace headrace {

bool is_lowered(const Schedule& schedule) {
  return std::ranges::any_of(schedule.devices, [](const std::vector<Action>& actions) {
    return std::ranges::any_of(actions,
                               [](const Action& action) { return is_transfer(action.kind); });
  });
}

}  // namespace headrace
