#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/json_output.h"
#include "executor/devices.h"
#include "executor/forward.h"
#include "executor/onnx_test_run.h"
#include "graph/error.h"
#include "loader/npz.h"

namespace headrace {
namespace {

void print_results(const std::vector<OnnxTestResult>& results, size_t failed) {
  for (const OnnxTestResult& result : results) {
    fmt::print("{} {}\n", result.set, result.passed() ? "passed" : "failed");
    for (const OutputCheck& check : result.outputs)
      if (!check.difference.empty()) fmt::print("  {}: {}\n", check.output, check.difference);
  }
  fmt::print("{} of {} data sets passed\n", results.size() - failed, results.size());
}

nlohmann::ordered_json to_json(const std::vector<OnnxTestResult>& results, size_t failed) {
  nlohmann::ordered_json sets = nlohmann::ordered_json::array();
  for (const OnnxTestResult& result : results) {
    nlohmann::ordered_json differences = nlohmann::ordered_json::object();
    for (const OutputCheck& check : result.outputs)
      if (!check.difference.empty()) differences[check.output] = check.difference;
    sets.push_back({{"name", result.set},
                    {"passed", result.passed()},
                    {"outputs", result.outputs.size()},
                    {"differences", differences}});
  }
  return {{"passed", results.size() - failed}, {"failed", failed}, {"data_sets", sets}};
}

void run_test(const Settings& settings, Device& device) {
  if (!settings.inputs.empty() || !settings.outputs.empty())
    throw Error("run: --onnx-test brings inputs and outputs of its own: leave --{} away",
                settings.inputs.empty() ? "outputs" : "inputs");
  const auto results = run_onnx_test(settings.run.model, settings.onnx_test, device);
  const auto failed = static_cast<size_t>(
      std::count_if(results.begin(), results.end(), [](const auto& r) { return !r.passed(); }));
  if (settings.json)
    print_json(to_json(results, failed));
  else
    print_results(results, failed);
  if (failed > 0)
    throw RunError("{}: {} of {} data sets failed", settings.onnx_test, failed, results.size());
}

}  // namespace

void run_command(const Settings& settings) {
  const auto device = make_first_device(settings.run);
  if (!settings.onnx_test.empty()) return run_test(settings, *device);
  if (settings.inputs.empty()) throw Error("run: no inputs: give --inputs F.npz");
  if (settings.outputs.empty()) throw Error("run: no place for the outputs: give --outputs F.npz");
  const auto inputs = read_npz(settings.inputs);
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
