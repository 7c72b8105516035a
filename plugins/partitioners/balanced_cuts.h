#pragma once

#include <vector>

#include "plugins/partitioners/chain.h"

namespace headrace::partitioners {

// Contiguous stages in graph order with the least bottleneck. What exactly is least, of all cuts
// that split no group of colocated nodes and keep every device within its memory:
//
// - One stage per device: the seconds that the busiest device spends on one micro-batch: F + I + W
//   of its nodes and the transfers of activations and gradients, which occupy both ends, once for
//   each device that needs the value, at its sender once for each of them or once in all (host).
//   Dynamic programming solves it to the optimum for host communication, and otherwise where no
//   value is read by more than one other stage; where it cannot prove that, branch and bound closes
//   the gap (to the end, unless the graph is so tangled that its budget of steps runs out).
//   Transfers that run beside the compute are not counted.
// - Several stages per device: the seconds m * max(D, R) + (p - 1) * S that a step of m
//   micro-batches takes over p devices, about: D of the busiest device, all its stages together and
//   transfers within a device free; R of the rounds of a looped placement, in each of which the
//   devices work side by side and wait for the one with the largest stage (0 for other placements);
//   and S of the largest stage, by which the pipeline fills and drains. Optimal where
//   branch and bound ends within its budget (about a dozen pieces per stage); beyond that the best
//   that moving single cuts finds, starting from the least R or the least largest stage.
//
// Throws std::invalid_argument where no cuts keep within the devices' memory, or there are fewer
// pieces than stages.
std::vector<int> balanced_cuts(const Chain& chain);

}  // namespace headrace::partitioners
