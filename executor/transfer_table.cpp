#include "executor/transfer_table.h"

#include "graph/error.h"

namespace headrace {

TransferTable::TransferTable(const StagePlan& plan, int microbatches) : channels_(plan.channels) {
  for (size_t c = 0; c < plan.channels.size(); ++c) {
    const Channel& channel = plan.channels[c];
    channel_of_[{channel.value, channel.to}] = c;
    const int from_device = plan.device[static_cast<size_t>(channel.from)];
    const int to_device = plan.device[static_cast<size_t>(channel.to)];
    if (from_device == to_device) continue;
    leaving_[channel.value].push_back(c);
    for (int microbatch = 0; microbatch < microbatches; ++microbatch) {
      const Key key{channel.from, channel.to, channel.phase, microbatch};
      const auto [it, fresh] = by_ends_.try_emplace(key, transfers.size());
      if (fresh)
        transfers.push_back({.from_stage = channel.from,
                             .to_stage = channel.to,
                             .microbatch = microbatch,
                             .phase = channel.phase,
                             .from_device = from_device,
                             .to_device = to_device,
                             .parts = {}});
      transfers[it->second].parts.push_back(
          {.channel = c, .bytes = channel.bytes, .source = {}, .target = {}});
    }
  }
}

size_t TransferTable::of(const Action& action) const {
  const bool send =
      action.kind == ActionKind::send_forward || action.kind == ActionKind::send_backward;
  const bool forward =
      action.kind == ActionKind::send_forward || action.kind == ActionKind::receive_forward;
  const auto it =
      by_ends_.find({send ? action.stage : action.peer, send ? action.peer : action.stage,
                     forward ? Phase::forward : Phase::backward_input, action.microbatch});
  HEADRACE_CHECK(it != by_ends_.end(), "no channel between stages {} and {}", action.stage,
                 action.peer);
  return it->second;
}

size_t TransferTable::carrying(size_t channel, int microbatch) const {
  const Channel& c = channels_[channel];
  return by_ends_.at({c.from, c.to, c.phase, microbatch});
}

size_t TransferTable::channel(ValueId value, int stage) const {
  return channel_of_.at({value, stage});
}

const std::vector<size_t>& TransferTable::leaving(ValueId value) const {
  static const std::vector<size_t> kNone;
  const auto it = leaving_.find(value);
  return it == leaving_.end() ? kNone : it->second;
}

}  // namespace headrace
