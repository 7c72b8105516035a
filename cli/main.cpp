#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

#include "cli/command_line.h"
#include "graph/error.h"

namespace {

int fail(const std::exception& error, int code) {
  fmt::print(stderr, "headrace: {}\n", error.what());
  return code;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    spdlog::set_default_logger(spdlog::stderr_color_mt("headrace"));
    spdlog::set_pattern("%^%l%$: %v");
    const int code = headrace::run_command_line(count, arguments);
    if (std::fflush(stdout) != 0) throw headrace::RunError("standard output cannot be written");
    return code;
  } catch (const headrace::Error& error) {
    return fail(error, 2);
  } catch (const std::exception& error) {
    return fail(error, 1);
  }
}
