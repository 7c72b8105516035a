#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace headrace {

// How far a training is, for a person: on a terminal a bar that is redrawn in place (at most ten
// times a second), elsewhere a plain line every ten seconds. Both show the step, the loss, the
// samples per second of the last seconds and the time that is left by the whole run's average.
class Progress {
 public:
  // `first_step` steps of `total_steps` were done before (a resumed run). Writes to stderr.
  Progress(int64_t total_steps, int64_t first_step);

  // After each step: `step` steps are done, `samples` were in this one.
  void update(int64_t step, double loss, int64_t samples);

  // Takes the bar off the terminal, so that other output can follow; the next update redraws it.
  void clear();

  // Shows the last state and ends the line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  void draw(bool last);

  int64_t total_steps_, first_step_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point begin_, updated_;
  std::optional<Clock::time_point> shown_;
  int64_t step_;
  double loss_ = 0;
  double samples_per_s_ = 0;
};

}  // namespace headrace
