#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scheduler/schedule.h"

namespace headrace {

// "2F0", "0SEND_F3", "(0F7;7B3)OVERLAP_F_B". Transfers to or from a stage that is not the neighbour
// carry it behind the text ("0SEND_F3>2", "2RECV_F3<0"); neighbours read as PyTorch's do.
std::string to_string(const Action& action);
Action parse_action(std::string_view text);  // throws Error

// "3WAIT_SEND_F2", "1WAIT_REDUCE_GRAD": where newer files of PyTorch have a device wait until what
// it began is over. Here that goes without saying.
bool is_wait(std::string_view text);

// PyTorch's CSV: a row per device, a cell per turn, an empty cell an idle turn (dropped on
// reading, and so are waits). Files of the older dialect (BW is the whole backward, B is I) are
// recognised by a BW or by W without I. Stage placement comes from the rows. Throws Error naming
// row and column.
std::string to_csv(const Schedule& schedule);
Schedule parse_csv(std::string_view csv, const std::string& source);
Schedule read_csv(const std::string& path);

// A place in a schedule to point out, in the grid between brackets. `position` is the index in the
// device's list; its size is the place behind the last action, where only the label stands.
struct Mark {
  int device = 0;
  int position = 0;
  std::string label;  // empty: the action's own text
};

// The grid for people: a row per device, a column per turn, idle turns as dots. Every compute
// action takes one turn and waits for its neighbour stage; a lowered schedule is shown as the lists
// stand. With marks, only the turns around them.
std::string to_grid(const Schedule& schedule);
std::string to_grid(const Schedule& schedule, const std::vector<Mark>& marks);

}  // namespace headrace
