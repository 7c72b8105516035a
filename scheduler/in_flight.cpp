#include "scheduler/in_flight.h"

#include <algorithm>

namespace headrace {

std::vector<int> in_flight_of_stages(const Schedule& schedule, int stages) {
  std::vector<int> now(static_cast<size_t>(stages)), most(now);
  for (const auto& device : schedule.devices)
    for (const Action& action : device)
      for (const Action& part : ActionParts(action)) {
        const auto s = static_cast<size_t>(part.stage);
        if (part.kind == ActionKind::forward) most[s] = std::max(most[s], ++now[s]);
        if (part.kind == ActionKind::backward || part.kind == ActionKind::backward_input) --now[s];
      }
  return most;
}

}  // namespace headrace
