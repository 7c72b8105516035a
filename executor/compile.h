#pragma once

#include "executor/device_memory.h"
#include "executor/pass.h"
#include "executor/program.h"
#include "executor/reduction.h"
#include "executor/transfer_table.h"

namespace headrace {

// The program of one device: kernels prepared, memory planned over the schedule, transfers placed.
//
// A value lives from the node that makes it to the last that reads it, per micro-batch. Memory that
// a send reads is reused only after the simulated end of that send, memory that a receive fills is
// taken when the receive is posted; the program waits at those points. All waits point forward in
// simulated time, so they cannot form a cycle, whatever the real speeds are.
//
// Gradients go to other replicas, as `reduction` says, behind the last backward of their stage.
DeviceProgram compile_pass(const PassSpec& spec, int device, DeviceMemory& memory,
                           TransferTable& transfers, const DeviceReduction& reduction = {});

}  // namespace headrace
