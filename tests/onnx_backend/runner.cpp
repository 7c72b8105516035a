// Runs ONNX backend test folders in one process, as `headrace run --onnx-test` does.
//
//   onnx_backend_runner [--gradients] < FOLDERS
//
// Reads the name of a folder from each line and answers each with a line of its own: the folder, a
// tab, `passed`, `wrong`, `refused` or `broken` (our own bug), and but for the first a tab and why.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

#include "executor/onnx_test_run.h"
#include "graph/error.h"
#include "kernels/cpu/cpu_device.h"
#include "tests/onnx_backend/gradients.h"

namespace headrace {
namespace {

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\t') c = ' ';
  return text;
}

// Empty: passed.
std::string check_outputs(const std::string& folder, Device& device) {
  std::string why;
  for (const OnnxTestResult& result : run_onnx_test(folder + "/model.onnx", folder, device))
    for (const OutputCheck& check : result.outputs)
      if (!check.difference.empty())
        why += fmt::format("{}{} {}: {}", why.empty() ? "" : "; ", result.set, check.output,
                           check.difference);
  return why;
}

std::string answer(const std::string& folder, bool gradients, Device& device) {
  try {
    const std::string why = gradients ? check_gradients(folder) : check_outputs(folder, device);
    return why.empty() ? "passed" : "wrong\t" + why;
  } catch (const Error& error) {
    return fmt::format("refused\t{}", error.what());
  } catch (const std::exception& error) {
    return fmt::format("broken\t{}", error.what());
  }
}

}  // namespace
}  // namespace headrace

int main(int count, char** arguments) {
  const bool gradients = count > 1 && std::string_view(arguments[1]) == "--gradients";
  const auto device = headrace::make_cpu_device(0, 1);
  for (std::string folder; std::getline(std::cin, folder);) {
    const std::string text = headrace::answer(folder, gradients, *device);
    const size_t status = text.find('\t');
    fmt::print(
        "{}\t{}{}\n", folder, text.substr(0, status),
        status == std::string::npos ? "" : "\t" + headrace::one_line(text.substr(status + 1)));
    std::fflush(stdout);
  }
}
