// ZB-V (Zero Bubble, arXiv 2401.10241): two stages per device, placed in a V, so that the first
// device also holds the loss and a micro-batch's backward begins where its forward ended. With
// F = I = W and 2p-1 micro-batches or more no device idles between its first and last action, in
// 1F1B's memory: 2p stages' activations. With fewer, the micro-batches that are not there leave
// their turns out.

#include <algorithm>

#include "plugins/sdk.h"

using namespace headrace;

namespace {

// One of the two stages of a device; each call runs its next micro-batch.
class Chunk {
 public:
  Chunk(const sdk::ScheduleRequest& request, int stage) : request_(request), stage_(stage) {}

  void forward() { take(&sdk::ScheduleRequest::forward, forwards_); }
  void input() { take(&sdk::ScheduleRequest::backward_input, inputs_); }
  void weight() { take(&sdk::ScheduleRequest::backward_weight, weights_); }
  int forwards() const { return forwards_; }
  bool owes_weights() const { return weights_ < inputs_; }

 private:
  void take(void (sdk::ScheduleRequest::*action)(int, int) const, int& next) {
    if (next < request_.microbatches()) (request_.*action)(stage_, next);
    ++next;
  }

  const sdk::ScheduleRequest& request_;
  int stage_, forwards_ = 0, inputs_ = 0, weights_ = 0;
};

}  // namespace

static void zb_v(const sdk::ScheduleRequest& r) {
  const int p = r.devices(), m = std::max(r.microbatches(), 2 * p - 1);
  for (int device = 0; device < p; ++device) {
    Chunk down(r, device), up(r, 2 * p - 1 - device);
    const auto backward = [](Chunk& chunk) {
      chunk.input();
      chunk.weight();
    };
    for (int k = 0; k < 2 * (p - device) - 1; ++k) down.forward();
    for (int k = 0; k < device; ++k) {
      up.forward();
      down.forward();
    }
    for (int k = 0; k < p - device; ++k) {
      up.forward();
      backward(up);
    }
    while (up.forwards() < m) {
      if (down.forwards() < m) down.forward();
      backward(down);
      up.forward();
      backward(up);
    }
    for (int k = 0; k < device; ++k) {
      down.input();
      up.input();
    }
    for (int k = 0; k < p - device; ++k) {
      down.input();
      down.weight();
    }
    while (up.owes_weights()) up.weight();
    while (down.owes_weights()) down.weight();
  }
}

HEADRACE_DEFINE_SCHEDULER("zb-v", "Zero bubble over stages placed in a V; memory as 1F1B.", zb_v,
                          sdk::two_stages_in_a_v)
