#pragma once

#include <string>

#include "scheduler/schedule.h"

namespace headrace {

// Throws Error when the collectives of a schedule do not stand where its actions need them. Per
// stage, in the order of its device's list:
// - UNSHARD brings the parameters that F, B and I read, until RESHARD gives them back: nothing
// reads
//   a stage that has either of the two while nothing is gathered, RESHARD has something to give
//   back, and every gather is read. One more UNSHARD may stand before the RESHARD of the gather in
//   use, for what comes behind it.
// - REDUCE_GRAD has new gradients to reduce, of B or W, and none come behind the last one; if one
//   stage reduces, all do.
// Schedules without collectives pass. Needs stages in range and on their devices (validate.h).
void check_collectives(const Schedule& schedule, const std::string& source);

}  // namespace headrace
