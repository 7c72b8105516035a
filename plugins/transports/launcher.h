#pragma once

#include <optional>
#include <string>

namespace headrace {

// What a launcher told this process about all that it started.
struct Launched {
  std::string launcher;  // "torchrun"
  int rank = 0, size = 1;
  std::string host = {};  // of rank 0
  int port = 0;           // there, which nobody else uses
};

// From the environment variables that torchrun, srun and mpirun set; none for a process that was
// started alone. The host and port are MASTER_ADDR and MASTER_PORT + 1 (torchrun itself uses
// MASTER_PORT); without them the first node of the Slurm step, or this machine where mpirun started
// all processes on it, and a port that follows from the job. Throws Error where variables
// contradict each other or the host cannot be known.
std::optional<Launched> launched();

// The first name in Slurm's list of nodes: "gpu[07-09,12],login" is gpu07.
std::string first_node(const std::string& list);

}  // namespace headrace
