#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace headrace {

size_t output_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUnlimited;
  return size.ws_col;
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
