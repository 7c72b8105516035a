#include "cli/tune_options.h"

namespace headrace {

OptionGroup tune_options() {
  return {"Comparing",
          {{.name = "partitioners",
            .value = "A,B,...",
            .help = "Plugins to compare (tune: all that are found)",
            .commands = kBench | kTune,
            .target = [](Settings& s) -> Target { return &s.partitioners; }},
           {.name = "try-microbatches",
            .value = "M,N,...",
            .help = "Numbers to compare (tune: divisors of the batch, to 16 per device)",
            .commands = kBench | kTune,
            .target = [](Settings& s) -> Target { return &s.try_microbatches; }},
           {.name = "try-stages",
            .value = "V,W,...",
            .help = "Stages per device to compare (1, 2 and 4)",
            .commands = kTune,
            .target = [](Settings& s) -> Target { return &s.try_stages; }},
           {.name = "top",
            .value = "N",
            .help = "How many of the best plans are shown, and measured",
            .commands = kTune,
            .target = [](Settings& s) -> Target { return &s.tune.top; },
            .least = 1,
            .most = 1000},
           {.name = "measure",
            .help = "Run these, and put them in the order that was measured",
            .commands = kTune,
            .target = [](Settings& s) -> Target { return &s.tune.measure; }},
           {.name = "output",
            .value = "RUN.toml",
            .help = "A run file of the best, with all that was given",
            .commands = kTune,
            .target = [](Settings& s) -> Target { return &s.tune.output; },
            .meaning = Meaning::written_file}}};
}

}  // namespace headrace
