#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loader/import/context.h"
#include "loader/import/reach.h"

namespace headrace {

// 16-bit floats are computed in f32. Only f32 is trained: a model whose weights or outputs are
// doubles is then computed in it altogether.
ComputedTypes computed_types(const onnx::GraphProto& graph, const Reach& reach, bool training);

// Stands for a tensor of a kind that no rule takes. Refused only when a node reads it: `what` then
// says why.
Operand unreadable(std::string what);

// The tensors that the file holds, as operands: weights where they can be trained, constants
// otherwise. The body of a loop holds its tensors once, however often it is imported.
class StoredTensors {
 public:
  StoredTensors(ModelSource& source, WeightTable& weights, ComputedTypes types)
      : source_(source), weights_(weights), types_(types) {}

  void add_initializers(const onnx::GraphProto& graph, const GraphPath& path,
                        std::unordered_map<std::string, Operand>& names);
  // What a node holds as an initializer would: a Constant, or a ConstantOfShape that stands at the
  // place of a weight and whose shape the file gives.
  std::optional<Operand> held_by(const onnx::NodeProto& node, const std::vector<Operand>& inputs,
                                 const GraphPath& path);
  std::vector<std::string> notes() const;

 private:
  template <typename Read>
  const Operand& stored(const WeightPlace& place, const Read& read);
  Operand first_read(WeightPlace place, const HostTensor& data);

  ModelSource& source_;
  WeightTable& weights_;
  ComputedTypes types_;
  std::map<std::pair<GraphPath, std::string>, Operand> stored_;
  std::map<DType, int> narrowed_;  // tensors of the file, by their dtype there
};

}  // namespace headrace
