#pragma once

#include <cstdint>
#include <limits>

#include "graph/tensor_type.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/types.h"
#include "kernels/cuda/walk.h"
#include "kernels/functors/math.h"

// Lines of a row-major tensor along one axis, and what softmax and cross-entropy need of one.
namespace headrace::cuda {

struct Lines {
  int64_t count = 0, length = 0, inner = 1;

  Lines() = default;
  Lines(const Shape& shape, int64_t axis) {
    length = shape[static_cast<size_t>(axis)];
    for (size_t d = static_cast<size_t>(axis) + 1; d < shape.size(); ++d) inner *= shape[d];
    count = length > 0 ? element_count(shape) / length : 0;
  }
  HEADRACE_HOST_DEVICE int64_t at(int64_t line, int64_t k) const {
    const int64_t block = quotient(line, inner);
    return (block * length + k) * inner + line - block * inner;
  }
};

template <typename Body>
struct LineByThread {
  Body body;
  HEADRACE_HOST_DEVICE void operator()(int64_t line) const { body.run(line, Alone{}); }
};
template <typename Body>
struct LineByTeam {
  Body body;
  HEADRACE_TEAM_FUNCTION void operator()(int64_t line, const Team& team) const {
    body.run(line, team);
  }
};

// body.run(line, team) for every line; a team of more than one where elements are neighbours.
template <typename Body>
void for_each_line(Queue queue, const Lines& lines, const Body& body) {
  if (lines.inner == 1)
    for_each_row(queue, lines.count, lines.length, LineByTeam<Body>{body});
  else
    for_each(queue, lines.count, LineByThread<Body>{body});
}

struct Larger {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const { return a > b ? a : b; }
};

// The largest of a line, and the sum of exp(x - largest).
struct LogSum {
  float largest;
  double total;
};
template <typename T, typename Members>
HEADRACE_HOST_DEVICE LogSum log_sum(const T* x, const Lines& lines, int64_t line,
                                    const Members& team) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t k = team.rank; k < lines.length; k += team.size)
    largest = Larger{}(to_f32(x[lines.at(line, k)]), largest);
  largest = team.combine(largest, Larger{});
  double own = 0;
  for (int64_t k = team.rank; k < lines.length; k += team.size)
    own += static_cast<double>(
        portable::exponential_of_nonpositive(to_f32(x[lines.at(line, k)]) - largest));
  return {largest, team.sum(own)};
}

}  // namespace headrace::cuda
