#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/tensor_type.h"
#include "loader/onnx/external_data.h"

namespace headrace {

// A graph inside a model: the If, Loop and Scan nodes on the way, each by its first output and the
// subgraph's attribute name. Empty: the main graph.
using GraphPath = std::vector<std::pair<std::string, std::string>>;

// An input of a node that reads a weight.
struct WeightUse {
  GraphPath graph{};
  std::string node{};  // its first named output
  int input = 0;
  bool operator==(const WeightUse&) const = default;
};

// What holds a tensor in the file. The last two become plain ones when they are written to: a dense
// initializer and a Constant node.
enum class Holder : uint8_t { initializer, constant, sparse_initializer, constant_of_shape };

// Where a weight's contents stand in the file.
struct WeightPlace {
  GraphPath graph{};
  std::string name{};  // the initializer, or the output of the node
  Holder holder = Holder::initializer;
  TensorType type{};  // in the file; a float16 weight is an f32 in the graph
  // A copy of the tensor above that some of its users were given for their own. It is written as an
  // initializer of the main graph. `alias`: it takes the place of the Identity node with this
  // output.
  bool copy = false;
  std::string alias{};
  std::vector<WeightUse> uses{};
};

class ModelSource {
 public:
  std::filesystem::path path;
  std::shared_ptr<onnx::ModelProto> proto;  // as read; tensors of the graph may point into it
  std::shared_ptr<onnx::ModelProto>
      inlined;  // with local functions expanded; null where there are none
  std::unique_ptr<ExternalData> external;
  std::map<std::string, WeightPlace> places;  // by the weight's name in the graph
  std::vector<std::string> notes;             // what reading changed

  const std::shared_ptr<onnx::ModelProto>& imported() const { return inlined ? inlined : proto; }
};

// Parses and checks the file, converts opsets before 7 and expands local functions. Throws Error:
// unreadable, not ONNX, over 2 GB, an opset newer than the newest known or that cannot be
// converted, or anything that ONNX's checker refuses.
std::shared_ptr<ModelSource> read_model(const std::filesystem::path& path);

// The model with its local functions in place of the calls. Throws Error.
std::shared_ptr<onnx::ModelProto> expand_functions(const onnx::ModelProto& model,
                                                   const std::string& path);

// Rules know the forms of operators from this opset on.
inline constexpr int64_t kOldestOpset = 7;

// The model in the forms of kOldestOpset, by ONNX's converter, its version being older. Throws
// Error.
std::shared_ptr<onnx::ModelProto> convert_to_oldest_opset(const onnx::ModelProto& model,
                                                          const std::string& path);

// The checker's verdict on a model whose external files are checked elsewhere. Throws Error.
void check_model(const onnx::ModelProto& model, const std::string& path);

// Version of the default operator set; 0 when the model imports none, 1 before IR 3.
int64_t opset_version(const onnx::ModelProto& model);

bool is_default_domain(const std::string& domain);

}  // namespace headrace
