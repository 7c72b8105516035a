#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "scheduler/routes.h"
#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr int kTurnsAroundMark = 12;

using Turns = std::vector<std::vector<int>>;  // [device][position]

Turns turns_as_listed(const Schedule& schedule) {
  Turns turns;
  for (const std::vector<Action>& actions : schedule.devices) {
    turns.emplace_back();
    for (size_t i = 0; i < actions.size(); ++i) turns.back().push_back(static_cast<int>(i));
  }
  return turns;
}

// One turn per action; what an action reads from the neighbour stage is there from the turn after
// it was made. Where nothing can go on, everything goes on, so that a broken schedule is drawn too.
class Aligner {
 public:
  explicit Aligner(const Schedule& schedule) : schedule_(schedule) {
    for (const std::vector<Action>& actions : schedule.devices)
      for (const Action& action : actions)
        for (const Action& part : ActionParts(action))
          if (const auto direction = made_by(part.kind)) made_[key(part, *direction)] = kNotYet;
  }

  Turns align() {
    Turns turns(schedule_.devices.size());
    size_t left = 0;
    for (const std::vector<Action>& actions : schedule_.devices) left += actions.size();
    for (int turn = 0; left > 0; ++turn) {
      std::vector<size_t> moving;
      for (size_t d = 0; d < turns.size(); ++d)
        if (turns[d].size() < schedule_.devices[d].size() && ready(head(turns, d), turn))
          moving.push_back(d);
      if (moving.empty())
        for (size_t d = 0; d < turns.size(); ++d)
          if (turns[d].size() < schedule_.devices[d].size()) moving.push_back(d);
      for (const size_t d : moving) {
        for (const Action& part : ActionParts(head(turns, d)))
          if (const auto direction = made_by(part.kind)) {
            int& made = made_[key(part, *direction)];
            made = std::min(made, turn);
          }
        turns[d].push_back(turn);
      }
      left -= moving.size();
    }
    return turns;
  }

 private:
  using Key = std::pair<Direction, std::pair<int, int>>;  // (direction, (stage, micro-batch))
  static constexpr int kNotYet = std::numeric_limits<int>::max();

  static Key key(const Action& part, Direction direction) {
    return {direction, {part.stage, part.microbatch}};
  }

  const Action& head(const Turns& turns, size_t d) const {
    return schedule_.devices[d][turns[d].size()];
  }

  bool ready(const Action& action, int turn) const {
    for (const Action& part : ActionParts(action)) {
      const auto direction = made_by(part.kind);
      if (!direction) continue;
      Action source = part;
      source.stage += *direction == Direction::forward ? -1 : 1;
      const auto made = made_.find(key(source, *direction));
      if (made != made_.end() && made->second >= turn) return false;
    }
    return true;
  }

  const Schedule& schedule_;
  std::map<Key, int> made_;  // the turn, of all that the schedule makes
};

struct Cell {
  int turn;
  std::string text;
};

std::vector<std::vector<Cell>> cells_of(const Schedule& schedule, const std::vector<Mark>& marks,
                                        int* first_marked) {
  const Turns turns = is_lowered(schedule) ? turns_as_listed(schedule) : Aligner(schedule).align();
  std::vector<std::vector<Cell>> rows(schedule.devices.size());
  for (size_t d = 0; d < rows.size(); ++d)
    for (size_t i = 0; i < turns[d].size(); ++i)
      rows[d].push_back({turns[d][i], to_string(schedule.devices[d][i])});
  for (const Mark& mark : marks) {
    std::vector<Cell>& row = rows[mark.device];
    const auto position = static_cast<size_t>(mark.position);
    if (position >= row.size()) row.push_back({row.empty() ? 0 : row.back().turn + 1, {}});
    Cell& cell = row[std::min(position, row.size() - 1)];
    cell.text = fmt::format("[{}]", mark.label.empty() ? cell.text : mark.label);
    *first_marked = std::min(*first_marked, cell.turn);
  }
  return rows;
}

}  // namespace

std::string to_grid(const Schedule& schedule) { return to_grid(schedule, {}); }

std::string to_grid(const Schedule& schedule, const std::vector<Mark>& marks) {
  int marked = std::numeric_limits<int>::max();
  const std::vector<std::vector<Cell>> rows = cells_of(schedule, marks, &marked);
  int begin = 0, end = 0;
  size_t width = 1;
  for (const std::vector<Cell>& row : rows)
    if (!row.empty()) end = std::max(end, row.back().turn + 1);
  const int turns = end;
  if (!marks.empty()) {
    begin = std::max(0, marked - kTurnsAroundMark);
    end = std::min(end, marked + kTurnsAroundMark + 1);
  }
  for (const std::vector<Cell>& row : rows)
    for (const Cell& cell : row)
      if (cell.turn >= begin && cell.turn < end) width = std::max(width, cell.text.size());

  std::string grid;
  const size_t digits = std::to_string(rows.size() - 1).size();
  for (size_t d = 0; d < rows.size(); ++d) {
    std::string line = fmt::format("device {:<{}} |", d, digits);
    if (begin > 0) line += " ...";
    int turn = begin;
    for (const Cell& cell : rows[d]) {
      if (cell.turn < begin || cell.turn >= end) continue;
      for (; turn < cell.turn; ++turn) line += fmt::format(" {:<{}}", '.', width);
      line += fmt::format(" {:<{}}", cell.text, width);
      ++turn;
    }
    for (; turn < end; ++turn) line += fmt::format(" {:<{}}", '.', width);
    if (end < turns) line += " ...";
    line.erase(line.find_last_not_of(' ') + 1);
    grid += line + '\n';
  }
  return grid;
}

}  // namespace headrace
