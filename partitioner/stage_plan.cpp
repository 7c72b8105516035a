#include "partitioner/stage_plan.h"

#include <algorithm>

namespace headrace {

int StagePlan::devices() const {
  return device.empty() ? 0 : *std::max_element(device.begin(), device.end()) + 1;
}

}  // namespace headrace
