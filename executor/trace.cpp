#include "executor/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "loader/atomic_file.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr std::array kRows = {"compute", "send", "receive", "data parallel"};

size_t row_of(ActionKind kind) {
  if (is_send(kind)) return 1;
  if (is_receive(kind)) return 2;
  const bool collective =
      kind == ActionKind::unshard || kind == ActionKind::reshard || kind == ActionKind::reduce_grad;
  return collective ? 3 : 0;
}

// Trace events as text: millions of them would be slow, and large, as a tree.
class Events {
 public:
  void name_process(size_t process, const std::string& name) {
    metadata("process_name", process, 0, fmt::format("\"name\":{}", nlohmann::json(name).dump()));
    metadata("process_sort_index", process, 0, fmt::format("\"sort_index\":{}", process));
  }
  void name_row(size_t process, size_t thread, const std::string& name) {
    metadata("thread_name", process, thread, fmt::format("\"name\":\"{}\"", name));
    metadata("thread_sort_index", process, thread, fmt::format("\"sort_index\":{}", thread));
  }

  void slice(size_t process, size_t thread, const std::string& name, const ActionTime& time,
             const std::string& arguments) {
    constexpr double kMicroseconds = 1e6;
    separate();
    fmt::format_to(std::back_inserter(text_),
                   R"({{"ph":"X","name":"{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},)"
                   R"("args":{{{}}}}})",
                   name, process, thread, time.start_s * kMicroseconds,
                   (time.end_s - time.start_s) * kMicroseconds, arguments);
  }

  std::string finish() && {
    text_ += "\n]}\n";
    return std::move(text_);
  }

 private:
  void metadata(const char* what, size_t process, size_t thread, const std::string& arguments) {
    separate();
    fmt::format_to(std::back_inserter(text_),
                   R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{{}}}}})", what, process,
                   thread, arguments);
  }
  void separate() {
    text_ += first_ ? "\n" : ",\n";
    first_ = false;
  }

  std::string text_ = R"({"displayTimeUnit":"ms","traceEvents":[)";
  bool first_ = true;
};

std::string arguments_of(const Action& action) {
  std::string text = fmt::format(R"("stage":{})", action.stage);
  if (action.microbatch >= 0) text += fmt::format(R"(,"microbatch":{})", action.microbatch);
  if (action.kind == ActionKind::overlap)
    text += fmt::format(R"(,"backward_stage":{},"backward_microbatch":{})", action.other_stage,
                        action.other_microbatch);
  if (is_transfer(action.kind)) text += fmt::format(R"(,"peer":{})", action.peer);
  return text;
}

void add(Events& events, size_t process, const Timeline& timeline) {
  events.name_process(process, timeline.name);
  for (size_t d = 0; d < timeline.devices.size(); ++d) {
    std::array<bool, kRows.size()> named = {};
    const auto thread_of = [&](size_t row) {
      const size_t thread = kRows.size() * d + row;
      if (!named[row]) events.name_row(process, thread, fmt::format("device {} {}", d, kRows[row]));
      named[row] = true;
      return thread;
    };
    thread_of(0);
    for (const ActionTime& time : timeline.devices[d])
      events.slice(process, thread_of(row_of(time.action.kind)), to_string(time.action), time,
                   arguments_of(time.action));
    if (d < timeline.update.size() && timeline.update[d].end_s > timeline.update[d].start_s)
      events.slice(process, thread_of(0), "update", timeline.update[d], "");
  }
}

}  // namespace

Timeline simulated_timeline(std::string name, const Simulation& simulation) {
  return {.name = std::move(name), .devices = simulation.timeline, .update = simulation.update};
}

Timeline measured_timeline(std::string name, const Pipeline& pipeline) {
  Timeline timeline{.name = std::move(name)};
  const int devices = pipeline.devices_per_replica();
  for (int d = 0; d < devices; ++d) {
    std::vector<ActionTime>& row = timeline.devices.emplace_back();
    for (const ActionRecord& record : pipeline.actions(d))
      row.push_back({.action = record.action,
                     .start_s = std::min(record.start_s + record.waited_s, record.end_s),
                     .end_s = record.end_s});
  }
  for (const MeasuredTransfer& moved : pipeline.transfers()) {
    Action action = {.kind = moved.forward ? ActionKind::send_forward : ActionKind::send_backward,
                     .stage = moved.from_stage,
                     .microbatch = moved.microbatch,
                     .peer = moved.to_stage};
    timeline.devices[moved.from_device].push_back(
        {.action = action, .start_s = moved.start_s, .end_s = moved.end_s});
    action.kind = moved.forward ? ActionKind::receive_forward : ActionKind::receive_backward;
    std::swap(action.stage, action.peer);
    timeline.devices[moved.to_device].push_back(
        {.action = action, .start_s = moved.start_s, .end_s = moved.end_s});
  }
  for (int d = 0; d < devices; ++d) timeline.update.push_back(pipeline.update(d));
  return timeline;
}

void write_trace(const std::string& path, std::span<const Timeline> timelines) {
  Events events;
  for (size_t t = 0; t < timelines.size(); ++t) add(events, t, timelines[t]);
  AtomicFile file(path);
  file.write(std::move(events).finish());
  file.commit();
}

}  // namespace headrace
