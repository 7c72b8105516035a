#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace headrace {

// The user's mistake: a bad file, model, option or plugin. The text is one line that names what is
// wrong and what to do; the command line prints it and exits with 2.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

// A run that could not go on though the call was right: a device failed, a disk is full. Exit 1.
class RunError : public std::runtime_error {
 public:
  template <typename... Args>
  explicit RunError(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

// Our own bug, found by HEADRACE_CHECK; names the source line.
class InternalError : public std::logic_error {
 public:
  InternalError(const char* file, int line, const char* condition, const std::string& detail)
      : std::logic_error(fmt::format("internal error at {}:{}: {} does not hold{}{}", file, line,
                                     condition, detail.empty() ? "" : ": ", detail)) {}
};

}  // namespace headrace

// HEADRACE_CHECK(condition) or HEADRACE_CHECK(condition, "format {}", args...).
#define HEADRACE_CHECK(condition, ...)                                        \
  do {                                                                        \
    if (!(condition)) [[unlikely]]                                            \
      throw ::headrace::InternalError(__FILE__, __LINE__, #condition,         \
                                      ::headrace::check_detail(__VA_ARGS__)); \
  } while (false)

namespace headrace {
inline std::string check_detail() { return {}; }
template <typename... Args>
std::string check_detail(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}
}  // namespace headrace
