#pragma once

#include <cstdint>

#include "partitioner/stage_plan.h"
#include "scheduler/links.h"
#include "scheduler/schedule.h"

namespace headrace {

// What the replicas of a stage split among themselves beside the samples: nothing; gradients and
// optimizer state; parameters too.
enum class Sharding : uint8_t { none, gradients, weights };

// When a device has a stage's parameters together and its gradients apart.
enum class Regather : uint8_t {
  stage,       // as long as it stays at the stage, forward or backward
  microbatch,  // anew for every micro-batch: a stage of many layers, gathered layer by layer
};

// Copies of the whole pipeline, each on its own samples. All copies of a device run in step, so one
// stands for all. Bytes go around a ring: of n bytes a gather, and a reduction to shards, moves
// n (r-1)/r over each device's link in r-1 hops; a reduction to all of them is both in turn.
struct DataParallel {
  int replicas = 1;
  Sharding sharding = Sharding::none;
  Regather regather = Regather::stage;
  int layers_per_stage = 1;  // Regather::microbatch: the parts that are gathered one by one
  Link link = {};            // between a device and its copy in the next replica

  double gather_s(const StageCost& cost) const;  // the parameters of a stage
  double reduce_s(const StageCost& cost) const;  // its gradients
  int64_t shard(int64_t bytes) const;            // the part of one replica, rounded up
  int64_t together(int64_t bytes) const;         // of a stage, what is whole at one time
};

// Adds the collectives of data parallelism to a compute schedule, before it is lowered:
//
// - none: REDUCE_GRAD of a stage behind its last backward.
// - gradients: the same behind every run of backwards; before its first forward UNSHARD, since each
//   replica has updated only its part of the parameters.
// - weights: UNSHARD before every run and RESHARD behind it, REDUCE_GRAD behind every run of
//   backwards.
//
// The forwards of a device, and likewise its backwards, follow each other in runs of one stage
// (Regather::stage) or one by one (Regather::microbatch); runs of one stage between which nothing
// else runs share their UNSHARD. So breadth-first gathers a stage once per pass, depth-first once
// per group of micro-batches. Every UNSHARD is asked for one run ahead: a device holds the stages
// of its forward and of its backward, and the next one. One replica needs nothing: the schedule
// comes back as it is.
Schedule add_collectives(const Schedule& compute, const DataParallel& data_parallel);

}  // namespace headrace
