#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "executor/device_memory.h"
#include "executor/program.h"
#include "graph/written_update.h"

namespace headrace {

// The part of a model's own update (graph/written_update.h) that one device runs after the
// gradients are summed: that of the parameters it holds, and of the states that go with them.
// States that no parameter goes with (a step count) are updated by every device alike.
class OwnUpdate {
 public:
  // The device's memory for parameters, and where the summed gradient of a parameter lies there.
  struct Place {
    DeviceMemory* memory = nullptr;
    std::function<void*(ValueId parameter)> gradient;  // null: the loss does not depend on it
  };

  // Throws Error where the update of a parameter reads gradients or values of parameters that are
  // on other devices. `training`: names, layouts and ids of the parameters.
  OwnUpdate(const WrittenUpdate& update, const Graph& training, const Place& place);

  void run(const StepContext& context, Communicator& link);

  bool holds(const std::string& state) const;  // and updates it; parameters are not asked for
  HostTensor state(const std::string& name) const;
  void set_state(const std::string& name, const HostTensor& data);
  int64_t bytes() const;

 private:
  void feed(ValueId input, double value);

  Graph graph_;
  std::unique_ptr<DeviceMemory> memory_;
  std::vector<WrittenUpdate::Kept> states_;  // of those that this device updates
  std::optional<ValueId> rate_, step_;
  DeviceProgram program_;
  Buffer arena_, workspace_;
};

}  // namespace headrace
