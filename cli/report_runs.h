#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/report.h"
#include "cli/report_drawing.h"

namespace headrace {

// Throws Error when a page cannot show so many actions.
void check_drawable(size_t actions);
size_t actions_in(const Simulation& simulation);

// Axes on which all runs have room. Throws Error when a page cannot show so many actions.
Axes axes_of(std::span<const ReportedRun> runs);

// HTML: coloured squares with words, (CSS colour, text).
std::string legend(const std::vector<std::pair<const char*, const char*>>& entries);

// What the colours of run_drawings mean.
std::string run_legend();

// HTML: timeline, time by cause, and memory where the run knows bytes.
std::string run_drawings(const ReportedRun& run, const Axes& axes);

// What the page's script knows of a run (report_page.h).
nlohmann::json run_json(const ReportedRun& run, const Axes& axes);

}  // namespace headrace
