#pragma once

#include <map>
#include <string>
#include <vector>

#include "executor/run_config.h"
#include "graph/host_tensor.h"
#include "kernels/device.h"
#include "partitioner/strategy.h"
#include "scheduler/scheduler.h"

namespace headrace {

// Runs a model forward once on one device, as exported (inference), through the same plans and
// kernels that training uses. Inputs by name; free dimensions are bound by the inputs' shapes.
// Throws Error for a missing or ill-shaped input. Returns the outputs by name.
std::map<std::string, HostTensor> run_forward(const std::string& model,
                                              const std::map<std::string, HostTensor>& inputs,
                                              Device& device);

// Loss and gradients of one batch, by name ("loss", "grad:<parameter>"). `tensors` holds the inputs
// and targets of the whole batch, split over config.microbatches along the first axis.
std::map<std::string, HostTensor> batch_gradients(const RunConfig& config,
                                                  const std::map<std::string, HostTensor>& tensors,
                                                  const Scheduler& scheduler,
                                                  const PartitionStrategy& strategy);

}  // namespace headrace
