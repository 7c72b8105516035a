#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/play.h"
#include "scheduler/routes.h"

namespace headrace {

// Plays one schedule (play.h). Time moves from event to event: one that a device or a network card
// may be able to go on.
class Player {
 public:
  Player(const Schedule& schedule, const StagePlan& plan, const Links& links, Posting posting,
         const Machine& machine);

  Playback run();

 private:
  static constexpr double kNotYet = -1;  // a time
  static constexpr int kNone = -1;       // a position, a resource

  // What goes by one route for one micro-batch.
  struct Transfer {
    int route = 0;
    int microbatch = 0;
    int position = 0;  // of the send in its device's list
  };

  // What a transfer of a route takes and holds.
  struct Way {
    double held_s = 0, latency_s = 0;
    int resources[3] = {kNone, kNone, kNone};  // receive queue, card outwards, card inwards
  };

  // What carries one transfer at a time: the receive queue of device d is number d, cards follow.
  struct Resource {
    double free = 0;
    std::deque<std::pair<uint64_t, int>> callers;  // (when they asked, device), ascending
  };

  struct Queues {
    size_t compute = 0;        // position of the next compute action
    int last_begun = kNone;    // position of the one before it
    std::vector<int> sends;    // transfers_, in list order
    size_t sent = 0;           // of sends
    bool calling = false;      // its next send waits for a resource
    std::vector<int> gathers;  // positions of UNSHARD and REDUCE_GRAD
    size_t gathered = 0;       // of gathers
    double compute_free = 0, send_free = 0, gather_free = 0;

    bool has_send() const { return sent < sends.size(); }
  };

  struct StageTimes {
    double forward = 0, input = 0, weight = 0;
    double gather = 0, reduce = 0;
    int unshards = 0, reshards = 0;     // that stand before the next compute action of the device
    std::vector<double> gathered = {};  // the ends of its UNSHARDs
  };

  struct Event {
    double time = 0;
    int who = 0;  // a resource; a device by its receive queue
    bool operator>(const Event& other) const {
      return time != other.time ? time > other.time : who > other.who;
    }
  };

  int devices() const { return static_cast<int>(schedule_.devices.size()); }
  size_t slot(int route, int microbatch) const {
    return static_cast<size_t>(route) * schedule_.microbatches + microbatch;
  }
  size_t chunk(int stage, int microbatch) const {
    return static_cast<size_t>(stage) * schedule_.microbatches + microbatch;
  }
  double made(Direction direction, int stage, int microbatch) const {
    return made_[static_cast<size_t>(direction)][chunk(stage, microbatch)];
  }
  const Transfer& next_send(int d) const { return transfers_[queues_[d].sends[queues_[d].sent]]; }

  void measure_stages(const Machine& machine);
  void measure_ways();
  void read_lists();

  void to_next_compute(int d);
  double there(int route, int microbatch) const;
  std::optional<std::pair<int, int>> missing_input(const Action& action) const;
  double gather_end(const Action& action) const;
  double seconds(const Action& part) const;
  bool run_compute(int d);
  void count_idle(int d, const Action& action);
  void hand_on(int d, const Action& action, const Action& part, double end);
  bool run_collective(int d);
  bool run_send(int d);
  bool answer(int resource);
  int taken(const Way& way) const;
  void wait_for(int resource, std::pair<uint64_t, int> caller);
  void start(int d);
  bool posted(int device, const Transfer& transfer) const;

  // waits.cpp: why a device stands when nothing moves any more.
  std::optional<Wait> wait_of(int d) const;
  std::string name_of(int d, int position) const;
  std::string maker_of(const Route& route, int microbatch) const;
  std::string maker_reason(int d, const Route& route, int microbatch) const;
  std::string transfer_reason(int route, int microbatch) const;
  std::string receive_reason(const Transfer& send) const;

  const Schedule& schedule_;
  const StagePlan& plan_;
  const Links& links_;
  const Posting posting_;
  const Routes routes_;
  const bool lowered_;
  std::vector<StageTimes> stages_;
  std::vector<Way> ways_;              // per route
  std::vector<Resource> resources_;    // devices' receive queues, cards outwards, cards inwards
  std::vector<Queues> queues_;         // per device
  std::vector<Transfer> transfers_;    // all of them
  std::vector<double> made_[2];        // [direction][stage, micro-batch]: seconds
  std::vector<double> arrived_;        // [route, micro-batch]: seconds
  std::vector<int> receive_position_;  // [route, micro-batch]: in the reader's list
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t asked_ = 0;  // calls so far
  double now_ = 0;
  Playback playback_;
};

}  // namespace headrace
