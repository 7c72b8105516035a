#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace headrace {

size_t output_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUnlimited;
  return size.ws_col;
}

bool output_in_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) != 0 && (no_colour == nullptr || *no_colour == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::string clip_lines(const std::string& text, size_t columns) {
  static constexpr std::string_view kCut = " ...";
  std::string clipped;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const size_t length = end - begin;
    if (length <= columns || columns < kCut.size())
      clipped.append(text, begin, length);
    else
      clipped.append(text, begin, columns - kCut.size()).append(kCut);
    clipped += '\n';
    begin = end + 1;
  }
  return clipped;
}

}  // namespace headrace
