#include "executor/processes.h"

#include <fmt/format.h>

#include "scheduler/text.h"

namespace headrace {
namespace {

constexpr int kStageShift = 8, kMicrobatchShift = 32;

}  // namespace

Whereabouts::Whereabouts(int devices) : action_(static_cast<size_t>(devices)) {}

void Whereabouts::at(int device, const Action& action) {
  // Of an overlap, its forward.
  const ActionKind kind = action.kind == ActionKind::overlap ? ActionKind::forward : action.kind;
  const uint64_t packed = (uint64_t{static_cast<uint8_t>(kind)} + 1) |
                          static_cast<uint64_t>(action.stage) << kStageShift |
                          static_cast<uint64_t>(action.microbatch) << kMicrobatchShift;
  action_[static_cast<size_t>(device)].store(packed, std::memory_order_relaxed);
}

std::string Whereabouts::text() const {
  const int64_t step = step_.load(std::memory_order_relaxed);
  if (step < 0) return "before its first step";
  std::string text;
  for (size_t d = 0; d < action_.size(); ++d) {
    const uint64_t packed = action_[d].load(std::memory_order_relaxed);
    if (packed == 0) continue;
    const Action action{
        .kind = static_cast<ActionKind>((packed & 0xff) - 1),
        .stage = static_cast<int>((packed >> kStageShift) & 0xffffff),
        .microbatch = static_cast<int>(packed >> kMicrobatchShift),
    };
    text += fmt::format("{}{} on device {}", text.empty() ? "in " : " and ", to_string(action), d);
  }
  return fmt::format("{}{}step {}", text, text.empty() ? "in " : ", ", step);
}

}  // namespace headrace
