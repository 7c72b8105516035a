#include "executor/trace.h"

#include <nlohmann/json.hpp>

#include "loader/atomic_file.h"
#include "scheduler/text.h"

namespace headrace {

void write_trace(const std::string& path, const std::vector<std::vector<ActionRecord>>& devices) {
  constexpr double kMicroseconds = 1e6;
  nlohmann::json events = nlohmann::json::array();
  for (size_t d = 0; d < devices.size(); ++d) {
    events.push_back({{"ph", "M"},
                      {"name", "thread_name"},
                      {"pid", 0},
                      {"tid", d},
                      {"args", {{"name", fmt::format("device {}", d)}}}});
    for (const ActionRecord& record : devices[d])
      events.push_back({{"ph", "X"},
                        {"name", to_string(record.action)},
                        {"pid", 0},
                        {"tid", d},
                        {"ts", record.start_s * kMicroseconds},
                        {"dur", (record.end_s - record.start_s) * kMicroseconds},
                        {"args",
                         {{"stage", record.action.stage},
                          {"microbatch", record.action.microbatch},
                          {"waited_us", record.waited_s * kMicroseconds}}}});
  }
  AtomicFile file(path);
  file.write(events.dump(1));
  file.commit();
}

}  // namespace headrace
