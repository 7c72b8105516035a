#pragma once

#include <vector>

namespace headrace {

// A way between two devices. A transfer holds it for bytes / bytes_per_s and has arrived latency_s
// after that.
struct Link {
  double latency_s = 0;
  double bytes_per_s = 0;  // 0: only the latency counts
};

// How transfers between devices behave. Sends and receives have queues of their own and never hold
// up compute; a receive is posted early and its consumer waits for it.
struct Links {
  // Between any two devices that nothing below tells otherwise.
  double latency_s = 0;
  double bytes_per_s = 0;

  // A gradient leaves as soon as I has made it, before the W of the same B runs (what our executor
  // does); false: when the whole B is over (what the published closed forms assume).
  bool send_when_ready = false;

  // Classes: devices of the same node are joined by `in_node`. Per device, or empty: no two share
  // one.
  std::vector<int> node = {};
  Link in_node = {};

  // Single ways that differ, from one device to another; the last that fits counts, before classes.
  struct Between {
    int from = 0, to = 0;
    Link link = {};
  };
  std::vector<Between> pairs = {};

  // Devices with the same number stand behind one network card, 0 or more per device; empty: each
  // has a way out of its own. What goes from one card to another, and does not stay in a node,
  // holds both, the sender's outwards and the reader's inwards, so that a card carries one transfer
  // at a time in each direction.
  std::vector<int> card = {};

  bool in_same_node(int from_device, int to_device) const;
  Link between(int from_device, int to_device) const;
};

}  // namespace headrace
