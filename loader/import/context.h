#pragma once

#include <onnx/onnx_pb.h>

#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "loader/import/known_values.h"
#include "loader/import/weights.h"
#include "loader/onnx/float_kinds.h"
#include "loader/onnx/model_source.h"

namespace headrace {

// Thrown by an import rule: why this node cannot be imported. The importer gathers them all.
class Unsupported : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Unsupported(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

// What a name of the ONNX graph stands for while it is imported.
struct Operand {
  enum class Kind : uint8_t {
    absent,
    computed,  // `value`
    constant,  // `data`
    weight,    // `data`, trained: entry `weight` of the weight table
    sequence,  // `items`
    failed,    // made by a node that could not be imported
  };
  Kind kind = Kind::absent;
  ValueId value = kNoValue;
  HostTensor data{};
  int weight = -1;      // also of a constant that stands in the file
  std::string name{};   // of a constant
  std::string alias{};  // the Identity output of the main graph that a weight was read through
  bool tied = false;    // read through a Cast: no copy of the tensor can stand in its place
  std::shared_ptr<ValueId> in_graph{};  // a constant's value, once it has one; shared by copies
  std::shared_ptr<const std::vector<Operand>> items{};

  bool has_data() const { return kind == Kind::constant || kind == Kind::weight; }
};

Operand constant_operand(HostTensor data, std::string name = {});

// Room for a constant that a rule makes. Throws Unsupported where it would take more than a file
// may ask for (loader/onnx/size_limit.h).
std::pair<HostTensor, std::byte*> allocate_constant(TensorType type);

// What the rules of If, Loop and Scan ask of the importer.
class SubgraphImporter {
 public:
  virtual ~SubgraphImporter() = default;
  // Imports the nodes of a subgraph of the node at hand, its inputs bound to `arguments`; returns
  // its outputs. Throws Refused when one of its nodes cannot be imported.
  virtual std::vector<Operand> import_body(const onnx::AttributeProto& body,
                                           std::vector<Operand> arguments) = 0;
  // Imports a node that the file does not have.
  virtual std::vector<Operand> import_extra(const onnx::NodeProto& node,
                                            std::vector<Operand> inputs) = 0;
};

// Thrown where nodes inside a node were refused: there is nothing more to say about it.
struct Refused {};

// Where rules put what they make.
struct ImportTarget {
  Graph* graph = nullptr;
  WeightTable* weights = nullptr;  // null while constants are folded: nothing is trained there
  bool training = true;
  bool draws = false;
  KnownValues* known = nullptr;  // null: nothing that is computed is known
  ComputedTypes types = {};
  int64_t dropouts = 0;
  int64_t constant_bytes = 0;  // of constants that rules made
};

// The node that a rule is applied to.
struct ImportedNode {
  const onnx::NodeProto& proto;
  int64_t opset = 0;
  GraphPath path{};
  bool in_file = true;                    // false: the importer made it up
  SubgraphImporter* subgraphs = nullptr;  // null while constants are folded
};

// One ONNX node as its import rule sees it: inputs resolved, attributes typed, outputs to be named.
class ImportContext {
 public:
  ImportContext(ImportTarget& target, ImportedNode node, std::vector<Operand> inputs);

  const onnx::NodeProto& node() const { return node_.proto; }
  const std::string& op() const { return node_.proto.op_type(); }
  int64_t opset() const { return node_.opset; }
  SubgraphImporter& subgraphs() const;
  bool training() const { return target_.training; }
  bool draws() const { return target_.draws; }  // random numbers may become constants
  // Which dtype stands for one of the file's, by number. Throws Unsupported where there is none.
  DType computed_dtype(int64_t onnx_type) const;

  size_t input_count() const { return inputs_.size(); }
  bool has(size_t input) const;
  const Operand& operand(size_t input) const { return inputs_.at(input); }
  size_t output_count() const { return outputs_.size(); }
  bool wants(size_t output) const;

  // An input as a value of the graph, the same one each time: a constant is put there, a weight
  // becomes a parameter.
  // kNoValue for one that is left out.
  ValueId value(size_t input);
  std::vector<ValueId> values();
  // Of an operand that is no input itself: an item of a sequence.
  ValueId value_of(const Operand& operand);
  // A running statistic; one that the model computes is a plain value, which nothing is kept in.
  ValueId state(size_t input);
  void set_state(ValueId read, ValueId replacement);
  bool frozen(size_t input) const;
  // Whether an input holds this number throughout and has no name of its author's: what exporters
  // write for a scale or a bias that the model does not have.
  bool stands_for_none(size_t input, double number) const;

  TensorType type(size_t input) const;
  Shape shape(size_t input) const { return type(input).shape; }
  int64_t rank(size_t input) const { return type(input).rank(); }
  int64_t axis(int64_t fallback, int64_t rank) const;  // attribute "axis", made non-negative

  // Of an operand that is known before the run; null otherwise.
  const HostTensor* contents(const Operand& operand) const;
  bool is_known(size_t input) const { return contents(operand(input)) != nullptr; }
  // Contents of an input that shapes the computation. Throws Unsupported where they are not known
  // before the run; `what` names it in the message.
  const HostTensor& constant(size_t input, std::string_view what) const;
  std::vector<int64_t> ints(size_t input, std::string_view what) const;
  double number(size_t input, std::string_view what) const;

  bool has_attribute(std::string_view name) const { return find(name) != nullptr; }
  int64_t get_int(std::string_view name, int64_t fallback) const;
  double get_float(std::string_view name, double fallback) const;
  std::string get_string(std::string_view name, std::string_view fallback) const;
  std::vector<int64_t> get_ints(std::string_view name) const;  // empty when left out
  const onnx::AttributeProto* find(std::string_view name) const;

  // Adds a canonical node.
  ValueId add(std::string op, std::vector<ValueId> inputs, Attributes attributes = {});
  std::vector<ValueId> add_all(std::string op, std::vector<ValueId> inputs,
                               Attributes attributes = {});
  ValueId reshape(ValueId x, Shape shape);  // x itself where it has that shape
  ValueId transpose(ValueId x, std::vector<int64_t> perm);
  ValueId part(ValueId x, size_t axis, int64_t begin, int64_t end);  // entries [begin, end)
  ValueId cast(ValueId x, DType dtype);
  ValueId scalar(double value, DType dtype);
  ValueId add_constant(HostTensor data);
  // 0, 1, .. n - 1 in i64 along `axis` of a tensor of this rank, whose other dimensions are 1.
  ValueId positions(int64_t n, int64_t axis, int64_t rank);
  TensorType type_of(ValueId value) const { return target_.graph->value(value).type; }
  int64_t next_dropout() { return target_.dropouts++; }

  void result(ValueId value, size_t output = 0);
  void result(HostTensor data, size_t output = 0);
  void result(Operand operand, size_t output = 0);

  std::vector<Operand> take_outputs() { return std::move(outputs_); }

 private:
  ImportTarget& target_;
  ImportedNode node_;
  std::vector<Operand> inputs_;
  std::vector<ValueId> values_;  // of the inputs asked for so far
  std::vector<Operand> outputs_;

  ValueId make_value(const Operand& operand, const WeightTable::Reader& reader);
  WeightTable::Reader reader(size_t input) const;
};

}  // namespace headrace
