#include <array>

#include "cli/command.h"

namespace headrace {

std::span<const Command> all_commands() {
  static const std::array<Command, 10> commands = {{
      {.name = "train",
       .bit = kTrain,
       .argument = "MODEL.onnx|RUN.toml",
       .takes_run_file = true,
       .summary = "Train a model; write it back as ONNX",
       .examples = "  headrace train models/fashion-cnn/run.toml -o scheduler=1f1b\n"
                   "  headrace train net.onnx --data train.npz --loss cross-entropy --batch 64 \\\n"
                   "    --devices cpu:2 --microbatches 8 --optimizer adamw --epochs 3\n",
       .run = train_command},
      {.name = "plan",
       .bit = kPlan,
       .argument = "MODEL.onnx|RUN.toml",
       .takes_run_file = true,
       .summary = "Show stages, schedule and predicted times; run nothing",
       .examples = "  headrace plan net.onnx --loss cross-entropy --batch 64 --devices cpu:4 \\\n"
                   "    --microbatches 8 --scheduler 1f1b\n",
       .run = plan_command},
      {.name = "bench",
       .bit = kBench,
       .argument = "MODEL.onnx|RUN.toml",
       .takes_run_file = true,
       .summary = "Run every scheduler here; measured beside predicted",
       .examples = "  headrace bench net.onnx --loss cross-entropy --batch 64 --devices cpu:2 \\\n"
                   "    --microbatches 8 --schedulers 1f1b,breadth-first,zb-h1\n",
       .run = bench_command},
      {.name = "tune",
       .bit = kTune,
       .argument = "MODEL.onnx|RUN.toml",
       .takes_run_file = true,
       .summary = "Search for the best plan by simulation; write it as RUN.toml",
       .examples = "  headrace tune net.onnx --loss cross-entropy --batch 64 --devices cpu:4 \\\n"
                   "    --memory 2GiB --measure --output run.toml\n",
       .run = tune_command},
      {.name = "run",
       .bit = kRun,
       .argument = "MODEL.onnx",
       .summary = "Forward only: outputs of one batch",
       .examples = "  headrace run net.onnx --inputs batch.npz --outputs answers.npz\n"
                   "  headrace run test_relu/model.onnx --onnx-test test_relu\n",
       .run = run_command},
      {.name = "grad",
       .bit = kGrad,
       .argument = "MODEL.onnx",
       .summary = "Loss and every parameter's gradient of one batch",
       .examples =
           "  headrace grad net.onnx --inputs batch.npz --loss cross-entropy:logits:target \\\n"
           "    --outputs gradients.npz\n",
       .run = grad_command},
      {.name = "inspect",
       .bit = kInspect,
       .argument = "MODEL.onnx",
       .summary = "Operators, parameters, FLOPs, what is not supported",
       .examples = "  headrace inspect net.onnx --batch 8\n",
       .run = inspect_command},
      {.name = "partition",
       .bit = kPartition,
       .argument = "MODEL.onnx|RUN.toml",
       .takes_run_file = true,
       .summary = "Compare partitioning strategies on a model or a graph of costs",
       .examples = "  headrace partition net.onnx --loss cross-entropy --batch 64 --devices cpu:4\n"
                   "  headrace partition --costs graph.json --devices 6 --stages-per-device 2\n",
       .run = partition_command},
      {.name = "schedule",
       .bit = kSchedule,
       .summary = "One schedule by itself: build or read it, check, simulate, draw",
       .examples = "  headrace schedule --scheduler zb-h1 --devices 4 --microbatches 8\n"
                   "  headrace schedule --csv mine.csv --times 2,2,1 --latency 0.1 --json\n",
       .run = schedule_command},
      {.name = "plugins",
       .bit = kPlugins,
       .summary = "Schedulers and partitioners that were found",
       .examples = "  headrace plugins --plugin-path build/plugins\n",
       .run = plugins_command},
  }};
  return commands;
}

}  // namespace headrace
