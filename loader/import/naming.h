#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "loader/import/context.h"

namespace headrace {

// Gives canonical nodes and values the names of the ONNX node and values that they stand for. What
// a rule makes in between is named after the node: "/attn/softmax", "/attn/softmax/Reshape".
class ValueNames {
 public:
  explicit ValueNames(const onnx::ModelProto& model);

  // Names the nodes from `first` on, which the rule for `source` made, and the values they make.
  void name_nodes(Graph& graph, size_t first, const onnx::NodeProto& source,
                  const std::vector<Operand>& outputs);

 private:
  std::string name_in_file(const std::string& name);
  std::string unique(std::set<std::string>& taken, const std::string& wanted);

  std::set<std::string> values_, nodes_;
  std::map<std::string, int> numbers_;  // where to go on for each name that was taken
  std::set<std::string> given_;         // those of the file that a value bears
};

}  // namespace headrace
