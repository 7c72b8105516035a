#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace headrace {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kPlainLine{10};
constexpr double kMemory_s = 5;  // of the running average of samples per second
constexpr int kSmallestBar = 8, kLargestBar = 40;

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void append_time(fmt::memory_buffer& line, double time_s) {
  const auto whole = static_cast<int64_t>(std::min(time_s, 1e9));
  if (whole >= 3600)
    fmt::format_to(std::back_inserter(line), "{}:{:02}:{:02}", whole / 3600, whole / 60 % 60,
                   whole % 60);
  else
    fmt::format_to(std::back_inserter(line), "{}:{:02}", whole / 60, whole % 60);
}

int terminal_columns() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

Progress::Progress(int64_t total_steps, int64_t first_step)
    : total_steps_(total_steps),
      first_step_(first_step),
      terminal_(::isatty(STDERR_FILENO) == 1),
      begin_(Clock::now()),
      updated_(begin_),
      step_(first_step) {
  if (!terminal_) shown_ = begin_;  // the first plain line comes when there is something to say
}

void Progress::update(int64_t step, double loss, int64_t samples) {
  const Clock::time_point now = Clock::now();
  const double passed_s = std::max(seconds(now - updated_), 1e-9);
  const double rate = static_cast<double>(samples) / passed_s;
  const double keep = samples_per_s_ == 0 ? 0 : std::exp(-passed_s / kMemory_s);
  samples_per_s_ = keep * samples_per_s_ + (1 - keep) * rate;
  updated_ = now;
  step_ = step;
  loss_ = loss;
  const Clock::duration pause = terminal_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine);
  if (shown_ && now - *shown_ < pause) return;
  shown_ = now;
  draw(false);
}

void Progress::clear() {
  if (!drawn_ || !terminal_) return;
  std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
  shown_.reset();
}

void Progress::finish() {
  if (step_ > first_step_) draw(true);
}

void Progress::draw(bool last) {
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "{}/{}  loss {:.4f}  {:.0f} samples/s  ", step_, total_steps_, loss_,
                 samples_per_s_);
  const double passed_s = seconds(updated_ - begin_);
  if (last) {
    append_time(text, passed_s);
  } else {
    const auto done = static_cast<double>(step_ - first_step_);
    append_time(text, passed_s / done * static_cast<double>(total_steps_ - step_));
    fmt::format_to(out, " left");
  }

  fmt::memory_buffer line;
  if (terminal_) {
    const int room = terminal_columns() - static_cast<int>(text.size()) - 5;
    const int width = std::min(room, kLargestBar);
    fmt::format_to(std::back_inserter(line), "\r");
    if (width >= kSmallestBar) {
      const auto filled = static_cast<int>(width * step_ / std::max<int64_t>(total_steps_, 1));
      fmt::format_to(std::back_inserter(line), "[{:#<{}}{:.<{}}] ", "", filled, "", width - filled);
    }
  }
  line.append(text);
  fmt::format_to(std::back_inserter(line), "{}", !terminal_ ? "\n" : last ? "\x1b[K\n" : "\x1b[K");
  std::fwrite(line.data(), 1, line.size(), stderr);
  drawn_ = !last;
}

}  // namespace headrace
