#include "cli/report_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "cli/quantity.h"

namespace headrace {
namespace {

// In units of the SVG's viewBox, which is as wide as the page.
constexpr double kLeft = 64, kWidth = 1200, kRight = 8;
constexpr double kRowHeight = 20, kStripHeight = 3, kRowGap = 6, kAxisHeight = 20;
constexpr double kMemoryHeight = 120;
constexpr double kDigitWidth = 6.4, kLeastWidth = 0.2;
constexpr int kLoopColours = 4, kDeviceColours = 8;

using Out = std::back_insert_iterator<std::string>;

const char* class_of(ActionKind kind) {
  switch (kind) {
    case ActionKind::forward:
      return "F";
    case ActionKind::backward:
      return "B";
    case ActionKind::backward_input:
      return "I";
    case ActionKind::backward_weight:
      return "W";
    case ActionKind::send_forward:
    case ActionKind::send_backward:
      return "send";
    case ActionKind::receive_forward:
    case ActionKind::receive_backward:
      return "receive";
    case ActionKind::unshard:
      return "gather";
    default:
      return "reduce";
  }
}

bool is_collective(ActionKind kind) {
  return kind == ActionKind::unshard || kind == ActionKind::reduce_grad;
}

// The strips below a device's row: sends, receives, collectives; only those that some device has.
struct Strips {
  bool transfers = false, collectives = false;

  explicit Strips(const Simulation& simulation) {
    for (const auto& device : simulation.timeline)
      for (const ActionTime& time : device) {
        transfers |= is_transfer(time.action.kind);
        collectives |= is_collective(time.action.kind);
      }
  }
  double height() const {
    return (transfers ? 2 * (kStripHeight + 1) : 0) + (collectives ? kStripHeight + 1 : 0);
  }
  double pitch() const { return kRowHeight + height() + kRowGap; }
  double y(ActionKind kind) const {
    const double strip = kStripHeight + 1;
    if (is_send(kind)) return kRowHeight + 1;
    if (is_receive(kind)) return kRowHeight + 1 + strip;
    return kRowHeight + 1 + (transfers ? 2 * strip : 0);
  }
};

// A step of 1, 2 or 5 times a power of ten that gives about ten ticks.
double tick_of(double end_s) {
  const double rough = end_s / 10, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power) return factor * power;
  return 10 * power;
}

void draw_axis(Out out, const Axes& axes, double height) {
  if (axes.end_s <= 0) return;
  const double tick = tick_of(axes.end_s);
  for (int n = 0; n * tick <= axes.end_s * (1 + 1e-9); ++n) {
    const double x = axes.x(n * tick);
    fmt::format_to(out, R"(<line class="grid" x1="{0:.2f}" x2="{0:.2f}" y1="0" y2="{1}"/>)", x,
                   height);
    if (x < kWidth - 40 || n == 0)
      fmt::format_to(out, R"(<text class="tick" x="{:.2f}" y="{}">{}</text>)", x + 2,
                     height + kAxisHeight - 7, n == 0 ? "0" : show_seconds(n * tick));
  }
}

class TimelineDrawing {
 public:
  TimelineDrawing(const ReportedRun& run, const Axes& axes)
      : run_(run), axes_(axes), strips_(run.simulation), out_(std::back_inserter(svg_)) {}

  std::string draw() {
    const auto& devices = run_.simulation.timeline;
    const double height = static_cast<double>(devices.size()) * strips_.pitch();
    fmt::format_to(out_, R"(<svg class="timeline" viewBox="0 0 {} {}" role="img">)", kWidth,
                   height + kAxisHeight);
    draw_axis(out_, axes_, height);
    for (size_t d = 0; d < devices.size(); ++d) draw_device(d);
    svg_ += "</svg>\n";
    return std::move(svg_);
  }

 private:
  void draw_device(size_t d) {
    top_ = static_cast<double>(d) * strips_.pitch();
    fmt::format_to(out_, "<g>\n<text class=\"device\" x=\"0\" y=\"{}\">device {}</text>\n",
                   top_ + kRowHeight - 6, d);
    const std::vector<ActionTime>& times = run_.simulation.timeline[d];
    for (size_t i = 0; i < times.size(); ++i) {
      const ActionTime& time = times[i];
      if (time.action.kind == ActionKind::reshard) continue;
      if (time.action.kind == ActionKind::overlap) {
        for (const Action& part : ActionParts(time.action))
          draw_compute(d, i, part, time, part.kind == ActionKind::forward ? 0 : kRowHeight / 2,
                       kRowHeight / 2);
      } else if (is_compute(time.action.kind)) {
        draw_compute(d, i, time.action, time, 0, kRowHeight);
      } else if (time.end_s > time.start_s) {
        draw_box(d, i, class_of(time.action.kind), time, strips_.y(time.action.kind), kStripHeight);
        svg_ += '\n';
      }
    }
    if (d < run_.simulation.update.size() &&
        run_.simulation.update[d].end_s > run_.simulation.update[d].start_s) {
      draw_box(d, times.size(), "update", run_.simulation.update[d], 0, kRowHeight);
      svg_ += '\n';
    }
    svg_ += "</g>\n";
  }

  void draw_compute(size_t d, size_t i, const Action& part, const ActionTime& time, double y,
                    double height) {
    const std::string colour =
        fmt::format("{} l{}", class_of(part.kind), run_.loop_of_stage[part.stage] % kLoopColours);
    draw_box(d, i, colour, time, y, height);
    const std::string label = fmt::format("{}", part.microbatch);
    const double left = axes_.x(time.start_s), right = axes_.x(time.end_s);
    if (right - left > kDigitWidth * static_cast<double>(label.size()) + 2)
      fmt::format_to(out_, R"(<text class="label" x="{:.2f}" y="{}">{}</text>)", (left + right) / 2,
                     top_ + y + height / 2 + 3.5, label);
    svg_ += '\n';
  }

  void draw_box(size_t d, size_t i, const std::string& colour, const ActionTime& time, double y,
                double height) {
    const double left = axes_.x(time.start_s);
    fmt::format_to(
        out_,
        R"(<rect class="{}" data-d="{}" data-i="{}" x="{:.2f}" y="{}" width="{:.2f}" height="{}"/>)",
        colour, d, i, left, top_ + y, std::max(axes_.x(time.end_s) - left, kLeastWidth), height);
  }

  const ReportedRun& run_;
  const Axes& axes_;
  const Strips strips_;
  std::string svg_;
  Out out_;
  double top_ = 0;  // of the device's row
};

}  // namespace

double Axes::x(double time_s) const {
  return end_s > 0 ? kLeft + (kWidth - kLeft - kRight) * time_s / end_s : kLeft;
}

std::string timeline_svg(const ReportedRun& run, const Axes& axes) {
  return TimelineDrawing(run, axes).draw();
}

std::string memory_svg(const ReportedRun& run, const Axes& axes) {
  const int64_t most = axes.most_bytes;
  const auto y = [&](int64_t bytes) {
    return kMemoryHeight -
           (kMemoryHeight - 14) * static_cast<double>(bytes) / static_cast<double>(most);
  };
  std::string svg;
  const Out out = std::back_inserter(svg);
  fmt::format_to(out, R"(<svg class="memory" viewBox="0 0 {} {}" role="img">)", kWidth,
                 kMemoryHeight + kAxisHeight);
  draw_axis(out, axes, kMemoryHeight);
  for (const int64_t bytes : {int64_t{0}, most / 2, most})
    fmt::format_to(out,
                   R"(<line class="grid" x1="{0}" x2="{1}" y1="{2:.2f}" y2="{2:.2f}"/>)"
                   R"(<text class="device" x="0" y="{3:.2f}">{4}</text>)",
                   kLeft, kWidth - kRight, y(bytes), y(bytes) - 2,
                   show_bytes(static_cast<double>(bytes)));
  for (size_t d = 0; d < run.memory.size(); ++d) {
    fmt::format_to(out, "\n<polyline class=\"d{}\" points=\"", d % kDeviceColours);
    const std::vector<MemoryPoint>& curve = run.memory[d];
    for (size_t p = 0; p < curve.size(); ++p) {
      const double until = p + 1 < curve.size() ? curve[p + 1].time_s : run.simulation.step_s;
      fmt::format_to(out, "{0:.2f},{2:.2f} {1:.2f},{2:.2f} ", axes.x(curve[p].time_s),
                     axes.x(until), y(curve[p].total()));
    }
    svg += "\"/>";
  }
  svg += "\n<line class=\"cursor\" y1=\"0\" y2=\"120\"/></svg>\n";
  return svg;
}

std::string loss_svg(std::span<const double> losses) {
  constexpr size_t kMostPoints = 600;
  const size_t each = (losses.size() + kMostPoints - 1) / kMostPoints;
  std::vector<std::pair<double, double>> points;  // (step, loss)
  for (size_t first = 0; first < losses.size(); first += each) {
    const size_t count = std::min(each, losses.size() - first);
    double sum = 0;
    for (const double loss : losses.subspan(first, count)) sum += loss;
    points.emplace_back(static_cast<double>(first) + static_cast<double>(count + 1) / 2,
                        sum / static_cast<double>(count));
  }
  double least = points[0].second, most = least;
  for (const auto& [step, loss] : points) {
    least = std::min(least, loss);
    most = std::max(most, loss);
  }
  const double range = most > least ? most - least : 1;
  const auto y = [&](double loss) {
    return kMemoryHeight - 4 - (kMemoryHeight - 18) * (loss - least) / range;
  };
  const auto x = [&](double step) {
    const double last = std::max(1.0, static_cast<double>(losses.size()) - 1);
    return kLeft + (kWidth - kLeft - kRight) * (step - 1) / last;
  };
  std::string svg;
  const Out out = std::back_inserter(svg);
  fmt::format_to(out, R"(<svg class="loss" viewBox="0 0 {} {}" role="img">)", kWidth,
                 kMemoryHeight + kAxisHeight);
  for (const double loss : {least, most})
    fmt::format_to(out,
                   R"(<line class="grid" x1="{0}" x2="{1}" y1="{2:.2f}" y2="{2:.2f}"/>)"
                   R"(<text class="device" x="0" y="{3:.2f}">{4:.4g}</text>)",
                   kLeft, kWidth - kRight, y(loss), y(loss) - 2, loss);
  fmt::format_to(out, R"(<text class="tick" x="{}" y="{}">step 1 to {}</text>)", kLeft,
                 kMemoryHeight + kAxisHeight - 7, losses.size());
  svg += "\n<polyline class=\"d0\" points=\"";
  for (const auto& [step, loss] : points) fmt::format_to(out, "{:.2f},{:.2f} ", x(step), y(loss));
  return svg + "\"/></svg>\n";
}

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace headrace
