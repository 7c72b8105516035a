#include "cli/partition_options.h"

namespace headrace {

OptionGroup partition_options() {
  const auto strategies = [](Settings& s) -> Target { return &s.partition.strategies; };
  return {"Comparison",
          {{.name = "costs",
            .value = "F.json",
            .help = "A graph of costs instead of a model",
            .commands = kPartition,
            .target = [](Settings& s) -> Target { return &s.partition.costs; },
            .meaning = Meaning::path},
           {.name = "devices",
            .value = "N|cpu:N",
            .help = "Devices to cut it for (cpu:1, or as the file has)",
            .commands = kPartition,
            .target = [](Settings& s) -> Target { return &s.partition.devices; }},
           {.name = "partitioner",
            .value = "A,B,...",
            .help = "Plugins to compare (all that are found)",
            .commands = kPartition,
            .target = strategies},
           {.name = "strategy",
            .value = "A,B,...",
            .help = "The same",
            .commands = kPartition,
            .target = strategies},
           {.name = "contiguous",
            .value = "true|false",
            .help = "Whether stages must follow one another (true)",
            .commands = kPartition,
            .target = [](Settings& s) -> Target { return &s.partition.contiguous; }},
           {.name = "time-limit",
            .value = "S",
            .help = "Seconds that a strategy may search, if it asks",
            .commands = kPartition,
            .target = [](Settings& s) -> Target { return &s.partition.time_limit; },
            .least = 0}}};
}

}  // namespace headrace
