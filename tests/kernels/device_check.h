#pragma once

#include <map>

#include "kernels/device.h"
#include "tests/kernels/operator_case.h"

namespace headrace {

// Runs the nodes of one case on a device, each alone and fed with the reference's values, and
// reports through GoogleTest every output that is further from the reference than its operator's
// tolerance. Besides the plain run: a second run gives the same bits, an output may take over the
// input that the kernel offers, and where the device accumulates, the result is added.
class DeviceCheck {
 public:
  // How values lie before the device is asked: row-major, or as its convolutions leave images.
  enum class Given { row_major, as_convolved };

  DeviceCheck(Device& device, const OperatorCase& c, Given given);
  void run();
  // False where Given::as_convolved would repeat Given::row_major.
  bool differs_from_row_major() const { return differs_; }

 private:
  struct Stored {
    Buffer buffer;
    Layout layout;
  };
  struct Expected {
    HostTensor value;               // f64 where the output is float
    std::vector<double> magnitude;  // sums of magnitudes, of accumulating operators
  };

  Layout given_layout(ValueId id);
  KernelRequest request_for(const Node& node);
  Expected expect(const Node& node, size_t output);
  void check_node(const Node& node);
  void check_reorder(const TensorType& type, const Layout& from, const Layout& to,
                     const HostTensor& value);
  void check_accumulation(const Node& node, KernelRequest request,
                          const std::vector<const void*>& inputs);
  void compare(const Node& node, size_t output, const Expected& expected, const HostTensor& got,
               const HostTensor* added_to);

  Stored store(const TensorType& type, const Layout& layout, const HostTensor* value);
  HostTensor load(const TensorType& type, const Stored& stored);
  void run_kernel(const Kernel& kernel, const std::vector<const void*>& inputs,
                  const std::vector<void*>& outputs);

  Device& device_;
  const OperatorCase& case_;
  Given given_;
  bool differs_ = false;
  std::map<ValueId, HostTensor> values_;  // the reference's, rounded to the graph's types
  std::map<ValueId, Stored> opaque_;      // made by this device for this device
  std::map<ValueId, Layout> given_layouts_;
};

}  // namespace headrace
