#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "graph/split.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

// A cell's content without the blanks, line ends and quotes that CSV writers put around it.
std::string_view content(std::string_view cell) {
  constexpr std::string_view around = " \t\r\"";
  const size_t first = cell.find_first_not_of(around);
  if (first == std::string_view::npos) return {};
  return cell.substr(first, cell.find_last_not_of(around) - first + 1);
}

struct Place {
  size_t row, column;  // from 1, as a spreadsheet counts
};

class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source) {}

  Schedule read(std::string_view csv) {
    std::vector<std::string_view> rows = split(csv, '\n');
    while (!rows.empty() && content(rows.back()).empty()) rows.pop_back();
    if (rows.empty()) throw Error("{}: no schedule in it", source_);
    for (size_t row = 0; row < rows.size(); ++row) read_row(rows[row], row + 1);
    settle_dialect();
    return finish();
  }

 private:
  void read_row(std::string_view row, size_t number) {
    std::vector<Action>& actions = schedule_.devices.emplace_back();
    const std::vector<std::string_view> cells = split(row, ',');
    for (size_t column = 0; column < cells.size(); ++column) {
      const std::string_view cell = content(cells[column]);
      if (cell.empty() || is_wait(cell)) continue;
      const Place place{number, column + 1};
      try {
        actions.push_back(parse_action(cell));
      } catch (const Error& error) {
        throw Error("{}: row {}, column {}: {}", source_, place.row, place.column, error.what());
      }
      if (actions.back().kind == ActionKind::backward) {
        if (cell.find("BW") != cell.npos)
          note(whole_, place);
        else
          plain_backwards_.emplace_back(number - 1, actions.size() - 1);
      }
      if (actions.back().kind == ActionKind::backward_input) note(input_, place);
      if (actions.back().kind == ActionKind::backward_weight) note(weight_, place);
      for (const Action& part : ActionParts(actions.back())) place_stage(part.stage, place);
      ++actions_;
    }
    if (actions.empty()) throw Error("{}: row {} has no action", source_, number);
  }

  static void note(Place& first, const Place& place) {
    if (first.row == 0) first = place;
  }

  void place_stage(int stage, const Place& place) {
    const int device = static_cast<int>(place.row) - 1;
    const auto [known, added] = device_of_stage_.try_emplace(stage, device);
    if (added || known->second == device) return;
    throw Error("{}: row {}, column {}: stage {} already stands in row {}; a stage has one device",
                source_, place.row, place.column, stage, known->second + 1);
  }

  // The older dialect has BW for the whole backward and B for that of the inputs.
  void settle_dialect() {
    const bool older = whole_.row != 0 || (weight_.row != 0 && input_.row == 0);
    if (!older) return;
    if (input_.row != 0)
      throw Error("{}: row {}, column {}: I beside the BW of row {}, column {}; use one dialect",
                  source_, input_.row, input_.column, whole_.row, whole_.column);
    for (const auto& [device, position] : plain_backwards_)
      schedule_.devices[device][position].kind = ActionKind::backward_input;
  }

  Schedule finish() {
    for (const auto& [stage, device] : device_of_stage_) {
      if (stage != schedule_.stages)
        throw Error("{}: stage {} is there, stage {} is not", source_, stage, schedule_.stages);
      ++schedule_.stages;
      schedule_.device_of_stage.push_back(device);
    }
    for (const std::vector<Action>& actions : schedule_.devices)
      for (const Action& action : actions)
        for (const Action& part : ActionParts(action))
          schedule_.microbatches = std::max(schedule_.microbatches, part.microbatch + 1);
    // Every micro-batch needs actions of its own; anything else is a slip of the pen.
    if (static_cast<size_t>(schedule_.microbatches) > actions_)
      throw Error("{}: micro-batch {} in a file of {} actions", source_, schedule_.microbatches - 1,
                  actions_);
    return std::move(schedule_);
  }

  const std::string& source_;
  Schedule schedule_;
  std::map<int, int> device_of_stage_;
  Place whole_{}, input_{}, weight_{};                      // the first BW, I and W
  std::vector<std::pair<size_t, size_t>> plain_backwards_;  // (device, position) of every B
  size_t actions_ = 0;
};

}  // namespace

std::string to_csv(const Schedule& schedule) {
  std::string csv;
  for (const std::vector<Action>& actions : schedule.devices) {
    for (size_t i = 0; i < actions.size(); ++i) {
      if (i > 0) csv += ',';
      csv += to_string(actions[i]);
    }
    csv += '\n';
  }
  return csv;
}

Schedule parse_csv(std::string_view csv, const std::string& source) {
  return Reader(source).read(csv);
}

Schedule read_csv(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) throw Error("there is no file '{}'", path);
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw Error("cannot read '{}'", path);
  return parse_csv(text, path);
}

}  // namespace headrace
