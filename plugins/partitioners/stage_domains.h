#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "plugins/partitioners/units.h"

namespace headrace::partitioners {

// Which stages every unit may still be in, as a constraint program keeps them, for the question
// whether any choice keeps every load within a limit. At most 64 stages.
class StageDomains {
 public:
  static constexpr int kMostStages = 64;

  explicit StageDomains(const Units& units);

  void set_limit(double limit_s);

  // Takes stages away until the rules below take no more; false when a unit has none left.
  // - The order: no unit before what must come earlier, nor behind what must come later.
  // - Loads: what is sure to be on a device, with the transfers that are sure, and what a unit
  //   would add there and elsewhere. Memory likewise.
  // - Room: for each run of neighbouring devices, the work that has nowhere else to go.
  bool propagate();

  uint64_t stages(int unit) const { return stages_[static_cast<size_t>(unit)]; }
  uint64_t devices(int unit) const { return devices_[static_cast<size_t>(unit)]; }
  int first_stage(int unit) const;
  uint64_t stages_of_device(int device) const {
    return stages_of_device_[static_cast<size_t>(device)];
  }
  // What the unit would add to the device's load, after propagate.
  double cost_on(int unit, int device) const;
  double load(int device) const;
  // Whether a choice of stages is still to be made even where all devices are known.
  bool stages_matter() const { return stages_matter_; }

  // Keeps only `stages` of a unit.
  void restrict(int unit, uint64_t stages);
  size_t mark() const { return trail_.size(); }
  void undo(size_t mark);

 private:
  struct TensorState {
    uint64_t reached = 0;  // devices that are sure to hold a reader
    bool leaves = false;   // a reader is sure to be elsewhere than the producer
  };

  bool order();
  bool no_stage_is_empty();
  bool add_up();
  bool filter_loads();
  bool has_room() const;
  double transfers_on(int unit, int device, bool& fits) const;
  bool keep(int unit, uint64_t stages);
  uint64_t devices_of(uint64_t stages) const;

  const Units& units_;
  double limit_s_ = 0;
  bool stages_matter_ = false, changed_ = false;
  std::vector<int> topological_;
  std::vector<uint64_t> stages_of_device_;
  std::vector<uint64_t> stages_, devices_;        // per unit
  std::vector<std::pair<int, uint64_t>> trail_;   // what `stages_` was
  std::vector<std::pair<int, int>> inseparable_;  // units that the limit keeps on one device
  std::vector<TensorState> tensors_;
  std::vector<double> compute_s_, transfer_s_;        // per device, sure
  std::vector<int64_t> bytes_;                        // per device, sure
  std::vector<std::pair<uint64_t, double>> senders_;  // who of these pays: devices, seconds
};

}  // namespace headrace::partitioners
