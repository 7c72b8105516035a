// DualPipeV (DeepSeek-V3, arXiv 2412.19437, cut in half into a V): two stages per device; in the
// steady state every turn is a forward of one stage and a backward of the other that run together,
// so that the transfers of each hide behind the compute of the other.

#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

#include "plugins/sdk.h"

using namespace headrace;

namespace {

// The list of one device. `down` is its early stage, `up` its late one; every call runs the stage's
// next micro-batch.
class Device {
 public:
  struct Chunk {
    int stage, forwards = 0, backwards = 0;
  };

  Device(const sdk::ScheduleRequest& request, int device)
      : down{device}, up{2 * request.devices() - 1 - device}, request_(request) {}

  void forward(Chunk& chunk) { request_.forward(chunk.stage, chunk.forwards++); }
  void backward(Chunk& chunk) { request_.backward(chunk.stage, chunk.backwards++); }
  void input(Chunk& chunk) {
    request_.backward_input(chunk.stage, chunk.backwards);
    owed_.emplace_back(chunk.stage, chunk.backwards++);
  }
  // The W that is owed for longest, if any.
  void weight() {
    if (owed_.empty()) return;
    request_.backward_weight(owed_.front().first, owed_.front().second);
    owed_.pop_front();
  }
  void overlap(Chunk& ahead, Chunk& back) {
    request_.overlap(ahead.stage, ahead.forwards++, back.stage, back.backwards++);
  }

  Chunk down, up;

 private:
  const sdk::ScheduleRequest& request_;
  std::deque<std::pair<int, int>> owed_;  // (stage, micro-batch)
};

}  // namespace

static void fill(Device& d, int device, int p) {
  for (int k = 0; k < 2 * (p - device - 1); ++k) d.forward(d.down);
  for (int k = 0; k < device + 1; ++k) {
    d.forward(d.down);
    d.forward(d.up);
  }
  for (int k = 0; k < p - device - 1; ++k) {
    d.input(d.up);
    d.weight();
    d.forward(d.up);
  }
}

static void steady(Device& d, int device, int p, int m) {
  for (int k = 0; k < m - 2 * p + device + 1; ++k) {
    if (k == 0 && device == p - 1) {  // where the V turns, the pair would wait for itself
      d.forward(d.down);
      d.backward(d.up);
    } else {
      d.overlap(d.down, d.up);
    }
    d.overlap(d.up, d.down);
  }
  for (int k = 0; k < p - device - 1; ++k) {
    d.backward(d.up);
    d.overlap(d.up, d.down);
  }
}

// The second half of the last backwards is cut, so that their W fill the gaps behind them.
static void drain(Device& d, int device, int p) {
  const int turns = 2 * (device + 1), cut_from = 2 * ((device + 1) / 2) + (device % 2 == 0 ? 1 : 0);
  for (int k = 0; k < turns; ++k) {
    Device::Chunk& chunk = k % 2 == 0 ? d.up : d.down;
    k < cut_from ? d.backward(chunk) : d.input(chunk);
  }
  for (int k = 0; k < p - device - 1; ++k) {
    d.weight();
    d.input(d.down);
  }
  for (int k = 0; k < device + 1; ++k) d.weight();
}

static void dualpipe_v(const sdk::ScheduleRequest& r) {
  const int p = r.devices(), m = r.microbatches();
  if (m < 2 * p)
    throw std::invalid_argument("needs two micro-batches per device or more; on " +
                                std::to_string(p) + " devices --microbatches " +
                                std::to_string(2 * p) + " would fit, or the scheduler zb-v");
  for (int device = 0; device < p; ++device) {
    Device d(r, device);
    fill(d, device, p);
    steady(d, device, p, m);
    drain(d, device, p);
  }
}

HEADRACE_DEFINE_SCHEDULER("dualpipe-v", "A V with forward and backward overlapped in pairs.",
                          dualpipe_v, sdk::two_stages_in_a_v)
