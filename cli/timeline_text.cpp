#include "cli/timeline_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "cli/quantity.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr int kNoColour = -1, kUpdateColour = 240, kTextColour = 231;
constexpr size_t kLoops = 4;

// Of the 256 colours of terminals, by the stage's place on its device.
constexpr std::array<int, kLoops> kForward = {33, 26, 25, 18}, kBackward = {35, 29, 28, 22},
                                  kInput = {172, 166, 130, 94}, kWeight = {134, 97, 96, 54};

int colour_of(const Action& part, std::span<const int> loop_of_stage) {
  const size_t loop = static_cast<size_t>(loop_of_stage[part.stage]) % kLoops;
  switch (part.kind) {
    case ActionKind::forward:
      return kForward[loop];
    case ActionKind::backward:
      return kBackward[loop];
    case ActionKind::backward_input:
      return kInput[loop];
    default:
      return kWeight[loop];
  }
}

struct Cell {
  char text = ' ';
  int colour = kNoColour;
};

class Line {
 public:
  explicit Line(size_t columns) : cells_(columns) {}

  // Without colour the first cell is a bar.
  void paint(size_t from, size_t to, const std::string& name, int colour, bool coloured) {
    to = std::min(std::max(to, from + 1), cells_.size());
    from = std::min(from, to);
    for (size_t c = from; c < to; ++c) cells_[c] = {.text = ' ', .colour = colour};
    if (from < to && !coloured) cells_[from].text = '|';
    // A free column before the name keeps neighbours of one colour apart.
    if (name.size() < to - from)
      for (size_t c = 0; c < name.size(); ++c) cells_[from + 1 + c].text = name[c];
    else if (to - from > 1)
      cells_[from + 1].text = name[name.find_first_not_of("0123456789")];
  }

  std::string text(bool coloured) const {
    std::string text;
    int colour = kNoColour;
    for (const Cell& cell : cells_) {
      if (coloured && cell.colour != colour) {
        colour = cell.colour;
        text += colour == kNoColour ? "\x1b[0m"
                                    : fmt::format("\x1b[38;5;{};48;5;{}m", kTextColour, colour);
      }
      text += cell.text;
    }
    if (colour != kNoColour) return text + "\x1b[0m";
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  }

 private:
  std::vector<Cell> cells_;
};

}  // namespace

std::string timeline_text(const Simulation& simulation, std::span<const int> loop_of_stage,
                          size_t columns, bool colour, double end_s) {
  const size_t digits = std::to_string(simulation.timeline.size()).size();
  const size_t margin = digits + 8;  // "device 0 "
  const size_t width = columns - margin;
  end_s = std::max(end_s, simulation.step_s);
  const auto column = [&](double time_s) {
    return end_s > 0 ? static_cast<size_t>(std::lround(static_cast<double>(width) * time_s / end_s))
                     : 0;
  };
  std::string text;
  for (size_t d = 0; d < simulation.timeline.size(); ++d) {
    Line line(width);
    for (const ActionTime& time : simulation.timeline[d]) {
      if (!is_compute(time.action.kind)) continue;
      const bool pair = time.action.kind == ActionKind::overlap;
      const double half = (time.end_s - time.start_s) / 2;
      for (const Action& part : ActionParts(time.action)) {
        const bool second = pair && part.kind == ActionKind::backward;
        line.paint(column(time.start_s + (second ? half : 0)),
                   column(time.end_s - (pair && !second ? half : 0)), to_string(part),
                   colour_of(part, loop_of_stage), colour);
      }
    }
    const ActionTime& update = simulation.update[d];
    if (update.end_s > update.start_s)
      line.paint(column(update.start_s), column(update.end_s), "U", kUpdateColour, colour);
    text += fmt::format("device {:<{}} {}\n", d, digits, line.text(colour));
  }
  const std::string end = show_seconds(end_s);
  return text + fmt::format("{:>{}}0{:>{}}\n", "", margin, end, width - 1);
}

}  // namespace headrace
