#pragma once

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "executor/process_group.h"
#include "graph/error.h"
#include "tests/pipelines/queued_device.h"

namespace headrace {

// What both ends of a HostChannel meet at. A send lasts until it was received, as those of a
// library without buffers.
class HostPipe {
 public:
  void send(const std::vector<Block>& blocks) {
    std::unique_lock lock(mutex_);
    offered_ = &blocks;
    changed_.notify_all();
    changed_.wait(lock, [&] { return offered_ == nullptr || aborted_; });
    offered_ = nullptr;
  }

  void receive(const std::vector<Block>& blocks) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return offered_ != nullptr || aborted_; });
    if (aborted_) return;
    HEADRACE_CHECK(offered_->size() == blocks.size());
    for (size_t b = 0; b < blocks.size(); ++b) {
      HEADRACE_CHECK((*offered_)[b].bytes == blocks[b].bytes);
      std::memcpy(blocks[b].data, (*offered_)[b].data, blocks[b].bytes);
    }
    offered_ = nullptr;
    changed_.notify_all();
  }

  void abort() {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
    changed_.notify_all();
  }

  // As when the other end's process is gone.
  void lose() {
    const std::lock_guard lock(mutex_);
    lost_ = true;
  }
  void check() {
    const std::lock_guard lock(mutex_);
    if (lost_) throw RunError("the other end is lost");
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::vector<Block>* offered_ = nullptr;
  bool aborted_ = false, lost_ = false;
};

// Between devices of tests/pipelines/queued_device.h.
class HostChannel : public PeerChannel {
 public:
  HostChannel(std::shared_ptr<HostPipe> pipe, void* lane)
      : pipe_(std::move(pipe)), lane_(*static_cast<HostLane*>(lane)) {}

  void send(std::span<const Block> blocks) override {
    lane_([pipe = pipe_, kept = std::vector(blocks.begin(), blocks.end())] { pipe->send(kept); });
  }
  void receive(std::span<const Block> blocks) override {
    lane_(
        [pipe = pipe_, kept = std::vector(blocks.begin(), blocks.end())] { pipe->receive(kept); });
  }
  void check() override { pipe_->check(); }
  void abort() override { pipe_->abort(); }

 private:
  std::shared_ptr<HostPipe> pipe_;
  HostLane& lane_;
};

}  // namespace headrace
