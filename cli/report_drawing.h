#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cli/report.h"

namespace headrace {

// Where times and bytes stand on the page: from 0 to these, the same for all runs.
struct Axes {
  double end_s = 0;
  int64_t most_bytes = 1;
  double x(double time_s) const;
};

// Inline SVG. Every action is an element with data-d and data-i, its device and its position in the
// device's list; the memory chart has a polyline per device.
std::string timeline_svg(const ReportedRun& run, const Axes& axes);
std::string memory_svg(const ReportedRun& run, const Axes& axes);

// The losses of steps 1, 2, ... as a line; a run of many steps is drawn by means of neighbours.
std::string loss_svg(std::span<const double> losses);

// Text in HTML, attributes included.
std::string escape_html(const std::string& text);

}  // namespace headrace
