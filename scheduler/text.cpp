#include "scheduler/text.h"

#include <charconv>
#include <optional>

#include "graph/error.h"

namespace headrace {
namespace {

struct Word {
  ActionKind kind;
  std::string_view text;
};

// A word that begins with another stands before it.
constexpr Word kWords[] = {
    {ActionKind::unshard, "UNSHARD"},
    {ActionKind::reshard, "RESHARD"},
    {ActionKind::reduce_grad, "REDUCE_GRAD"},
    {ActionKind::send_forward, "SEND_F"},
    {ActionKind::send_backward, "SEND_B"},
    {ActionKind::receive_forward, "RECV_F"},
    {ActionKind::receive_backward, "RECV_B"},
    {ActionKind::forward, "F"},
    {ActionKind::backward, "BW"},
    {ActionKind::backward, "B"},
    {ActionKind::backward_input, "I"},
    {ActionKind::backward_weight, "W"},
};
constexpr std::string_view kWaits[] = {"WAIT_SEND_F", "WAIT_SEND_B", "WAIT_REDUCE_GRAD"};
constexpr std::string_view kOverlap = "OVERLAP_F_B";

std::string_view word_of(ActionKind kind) {
  switch (kind) {
    case ActionKind::forward:
      return "F";
    case ActionKind::backward:
      return "B";
    case ActionKind::backward_input:
      return "I";
    case ActionKind::backward_weight:
      return "W";
    case ActionKind::overlap:
      return kOverlap;
    case ActionKind::send_forward:
      return "SEND_F";
    case ActionKind::receive_forward:
      return "RECV_F";
    case ActionKind::send_backward:
      return "SEND_B";
    case ActionKind::receive_backward:
      return "RECV_B";
    case ActionKind::unshard:
      return "UNSHARD";
    case ActionKind::reshard:
      return "RESHARD";
    case ActionKind::reduce_grad:
      return "REDUCE_GRAD";
  }
  return "?";
}

int neighbour(const Action& transfer) {
  const bool later =
      transfer.kind == ActionKind::send_forward || transfer.kind == ActionKind::receive_backward;
  return transfer.stage + (later ? 1 : -1);
}

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

// A decimal number without a sign.
std::optional<int> take_number(std::string_view& text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(end - text.data());
  return number;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::optional<Action> parse_single(std::string_view text) {
  Action action;
  const std::optional<int> stage = take_number(text);
  if (!stage) return std::nullopt;
  action.stage = *stage;
  const Word* found = nullptr;
  for (const Word& word : kWords) {
    if (!take(text, word.text)) continue;
    found = &word;
    break;
  }
  if (found == nullptr) return std::nullopt;
  action.kind = found->kind;
  const bool of_step = !is_compute(action.kind) && !is_transfer(action.kind);
  const std::optional<int> microbatch = take_number(text);
  if (!microbatch && !of_step) return std::nullopt;
  action.microbatch = microbatch.value_or(-1);
  if (is_transfer(action.kind)) {
    action.peer = neighbour(action);
    if (take(text, is_send(action.kind) ? ">" : "<")) {
      const std::optional<int> peer = take_number(text);
      if (!peer) return std::nullopt;
      action.peer = *peer;
    }
  }
  if (!text.empty()) return std::nullopt;
  return action;
}

std::optional<Action> parse_overlap(std::string_view text) {
  if (!take(text, "(")) return std::nullopt;
  const size_t close = text.find(')'), middle = text.find(';');
  if (close == std::string_view::npos || middle > close) return std::nullopt;
  if (trimmed(text.substr(close + 1)) != kOverlap) return std::nullopt;
  const auto forward = parse_single(trimmed(text.substr(0, middle)));
  const auto backward = parse_single(trimmed(text.substr(middle + 1, close - middle - 1)));
  if (!forward || forward->kind != ActionKind::forward) return std::nullopt;
  if (!backward || backward->kind != ActionKind::backward) return std::nullopt;
  return Action{.kind = ActionKind::overlap,
                .stage = forward->stage,
                .microbatch = forward->microbatch,
                .other_stage = backward->stage,
                .other_microbatch = backward->microbatch};
}

}  // namespace

std::string to_string(const Action& action) {
  const std::string_view word = word_of(action.kind);
  if (action.kind == ActionKind::overlap)
    return fmt::format("({}F{};{}B{}){}", action.stage, action.microbatch, action.other_stage,
                       action.other_microbatch, word);
  if (!is_compute(action.kind) && action.microbatch < 0)
    return fmt::format("{}{}", action.stage, word);
  std::string text = fmt::format("{}{}{}", action.stage, word, action.microbatch);
  if (is_transfer(action.kind) && action.peer != neighbour(action))
    text += fmt::format("{}{}", is_send(action.kind) ? '>' : '<', action.peer);
  return text;
}

bool is_wait(std::string_view text) {
  std::string_view rest = trimmed(text);
  if (!take_number(rest)) return false;
  for (const std::string_view wait : kWaits) {
    if (!take(rest, wait)) continue;
    take_number(rest);
    return rest.empty();
  }
  return false;
}

Action parse_action(std::string_view text) {
  const std::string_view cell = trimmed(text);
  const auto action = cell.starts_with('(') ? parse_overlap(cell) : parse_single(cell);
  if (!action)
    throw Error(
        "'{}' is not an action; write the stage, one of F B I W SEND_F RECV_F SEND_B RECV_B "
        "UNSHARD RESHARD REDUCE_GRAD, and the micro-batch, such as 2F0, or (0F7;7B3)OVERLAP_F_B",
        text);
  return *action;
}

}  // namespace headrace
