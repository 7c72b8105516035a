#include "plugins/transports/launcher.h"

#include <unistd.h>

#include <cstdlib>

#include "graph/error.h"
#include "graph/parse_number.h"

namespace headrace {
namespace {

constexpr int kFirstPort = 20000, kPorts = 10000;  // below those that systems give away
constexpr int kMostProcesses = 1 << 20;

std::string text_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

int number_of(const char* variable) {
  const std::string text = text_of(variable);
  const auto number = parse_number<int>(text);
  if (!number || *number < 0) throw Error("{}='{}': not a number", variable, text);
  return *number;
}

struct Launcher {
  const char* name;
  const char *rank, *size;
};
// Slurm's variable of the step: that of the job is set for scripts, too, of which there is one.
// Under Slurm mpirun starts its own helpers by srun, and what they start inherits their variables.
constexpr Launcher kLaunchers[] = {{"torchrun", "RANK", "WORLD_SIZE"},
                                   {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                   {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};

void find_meeting_point(Launched& launched) {
  const std::string launcher = launched.launcher;
  launched.host = text_of("MASTER_ADDR");
  if (launched.host.empty() && launcher == "srun")
    launched.host = first_node(text_of("SLURM_STEP_NODELIST"));
  if (launched.host.empty() && launcher == "mpirun" &&
      text_of("OMPI_COMM_WORLD_LOCAL_SIZE") == std::to_string(launched.size))
    launched.host = "127.0.0.1";
  if (launched.host.empty())
    throw Error(
        "{} started {} processes but does not tell where rank 0 is: set MASTER_ADDR, and "
        "MASTER_PORT, for all of them",
        launcher, launched.size);

  if (!text_of("MASTER_PORT").empty())
    launched.port = number_of("MASTER_PORT") + 1;
  else if (launcher == "srun")
    launched.port = kFirstPort + number_of("SLURM_JOB_ID") % kPorts;
  else if (launched.host == "127.0.0.1")
    launched.port = kFirstPort + getppid() % kPorts;  // of mpirun, which started all
  else
    launched.port = kFirstPort;
  if (launched.port > 65535) throw Error("MASTER_PORT: there is no port {}", launched.port);
}

}  // namespace

std::string first_node(const std::string& list) {
  const size_t end = list.find_first_of(",[");
  std::string node = list.substr(0, end);
  if (end == std::string::npos || list[end] == ',') return node;
  const size_t behind = list.find_first_of(",-]", end);
  return node + list.substr(end + 1, behind - end - 1);
}

std::optional<Launched> launched() {
  for (const Launcher& launcher : kLaunchers) {
    if (text_of(launcher.rank).empty() || text_of(launcher.size).empty()) continue;
    Launched found{.launcher = launcher.name,
                   .rank = number_of(launcher.rank),
                   .size = number_of(launcher.size)};
    if (found.size < 1 || found.size > kMostProcesses || found.rank >= found.size)
      throw Error("{}={} and {}={}: no place among processes", launcher.rank, found.rank,
                  launcher.size, found.size);
    if (found.size == 1) continue;
    find_meeting_point(found);
    return found;
  }
  return std::nullopt;
}

}  // namespace headrace
