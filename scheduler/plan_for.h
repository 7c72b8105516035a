#pragma once

#include <cstdint>
#include <vector>

#include "partitioner/stage_plan.h"

namespace headrace {

// A plan without a model: stage s on device_of_stage[s], each of the same cost, joined to its
// neighbours by one channel of `channel_bytes` forward and one backward. It has no nodes. For
// `headrace schedule`, which draws and times schedules by themselves, and for tests.
StagePlan plan_for(std::vector<int> device_of_stage, const StageCost& cost_per_stage,
                   int64_t channel_bytes = 0);

}  // namespace headrace
