#pragma once

// Pipelines of controllable memory (Qi et al., arXiv 2405.15362): two stages per device in a V, and
// a block - when one micro-batch passes each device - that repeats every six turns, once per
// micro-batch, F, I and W of both stages filling the six. How long a block holds its activations
// sets the memory; what stands around the repetition sets the bubble.

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include "plugins/sdk.h"

namespace headrace::building_block {

// The turns at which a device runs F of its early stage, F of its late stage, I of its late stage
// and I of its early stage for micro-batch 0. Their remainders by six differ, so that blocks never
// meet; W go where turns are left.
using Block = std::array<int, 4>;

// Runs the blocks in unit turns: every device takes its F and I in the block's order as early as
// their inputs and `most_alive` allow, and fills waits with W, oldest first. most_alive: stages'
// activations alive on a device from F to W; no less than the blocks hold by themselves.
class Squeeze {
 public:
  Squeeze(const sdk::ScheduleRequest& request, const std::vector<Block>& blocks, int most_alive)
      : request_(request), most_alive_(most_alive), devices_(blocks.size()) {
    const size_t chunks = static_cast<size_t>(request.stages()) * request.microbatches();
    forward_done_.assign(chunks, kNever);
    input_done_.assign(chunks, kNever);
    for (size_t d = 0; d < blocks.size(); ++d) devices_[d].steps = steps_of(blocks[d], d);
  }

  void emit() {
    for (int turn = 0, left = 1; left > 0; ++turn) {
      left = 0;
      for (Device& device : devices_) {
        run_turn(device, turn);
        left += static_cast<int>(device.steps.size() - device.next + device.owed.size());
      }
    }
  }

 private:
  static constexpr int kNever = std::numeric_limits<int>::max();

  struct Step {
    bool forward;
    int stage, microbatch;
  };
  struct Device {
    std::vector<Step> steps;  // F and I, in order
    size_t next = 0;
    std::deque<std::pair<int, int>> owed;  // W: (stage, micro-batch)
    int alive = 0;
  };

  std::vector<Step> steps_of(const Block& block, size_t device) const {
    const int down = static_cast<int>(device), up = request_.stages() - 1 - down;
    const std::array<int, 4> stage = {down, up, up, down};
    std::vector<std::pair<int64_t, Step>> timed;
    for (int mb = 0; mb < request_.microbatches(); ++mb)
      for (size_t k = 0; k < block.size(); ++k)
        timed.push_back({block[k] + int64_t{6} * mb, {k < 2, stage[k], mb}});
    std::sort(timed.begin(), timed.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Step> steps;
    for (const auto& [time, step] : timed) steps.push_back(step);
    return steps;
  }

  int& at(std::vector<int>& done, int stage, int microbatch) {
    return done[static_cast<size_t>(stage) * request_.microbatches() + microbatch];
  }

  // What ended in a turn is there from the next one.
  bool ready(const Device& device, const Step& step, int turn) {
    const auto& [forward, stage, mb] = step;
    if (forward)
      return device.alive < most_alive_ && (stage == 0 || at(forward_done_, stage - 1, mb) < turn);
    return at(forward_done_, stage, mb) < turn &&
           (stage == request_.stages() - 1 || at(input_done_, stage + 1, mb) < turn);
  }

  void run_turn(Device& device, int turn) {
    if (device.next < device.steps.size() && ready(device, device.steps[device.next], turn)) {
      const auto [forward, stage, mb] = device.steps[device.next++];
      at(forward ? forward_done_ : input_done_, stage, mb) = turn;
      if (forward) {
        ++device.alive;
        request_.forward(stage, mb);
      } else {
        device.owed.emplace_back(stage, mb);
        request_.backward_input(stage, mb);
      }
    } else if (!device.owed.empty()) {
      const auto [stage, mb] = device.owed.front();
      device.owed.pop_front();
      --device.alive;
      request_.backward_weight(stage, mb);
    }
  }

  const sdk::ScheduleRequest& request_;
  const int most_alive_;
  std::vector<Device> devices_;
  std::vector<int> forward_done_, input_done_;  // [stage, micro-batch]: the turn
};

}  // namespace headrace::building_block
