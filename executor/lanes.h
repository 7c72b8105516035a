#pragma once

#include <vector>

#include "executor/communicator.h"

namespace headrace {

// Where a library moves messages between two devices in the order in which it was asked, both ends
// have to ask in the same one. Numbers for transfers, of those with the same two devices from 0 on:
// among equal numbers, what is sent first is posted first. No transfer then waits for another that
// was not asked for, at either end, before itself. As few numbers as there can be (by patience
// sorting). Each transfer's `sent` and `posted` must be known.
std::vector<int> lanes_of(const std::vector<Transfer>& transfers);

}  // namespace headrace
