#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/json_output.h"
#include "executor/devices.h"
#include "executor/forward.h"
#include "graph/error.h"
#include "loader/npz.h"

namespace headrace {

void run_command(const Settings& settings) {
  if (settings.inputs.empty()) throw Error("run: no inputs: give --inputs F.npz");
  if (settings.outputs.empty()) throw Error("run: no place for the outputs: give --outputs F.npz");
  const auto inputs = read_npz(settings.inputs);
  const auto device = std::move(make_devices("cpu:1", settings.run.threads_per_device).front());
  const auto outputs = run_forward(settings.run.model, inputs, *device);
  write_npz(settings.outputs, outputs);
  if (settings.json) {
    nlohmann::ordered_json types;
    for (const auto& [name, tensor] : outputs) types[name] = to_string(tensor.type);
    const nlohmann::ordered_json json = {{"outputs", types}, {"file", settings.outputs}};
    print_json(json);
    return;
  }
  for (const auto& [name, tensor] : outputs) fmt::print("{} {}\n", name, to_string(tensor.type));
  fmt::print("outputs: {}\n", settings.outputs);
}

}  // namespace headrace
