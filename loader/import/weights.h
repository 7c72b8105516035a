#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "graph/graph.h"
#include "loader/import/reach.h"
#include "loader/model.h"
#include "loader/onnx/model_source.h"

namespace headrace {

// The tensors of the file that may be trained, and which nodes share them. Decides by contents and
// use what is a parameter, and gives users their own copies where `untie` says so.
class WeightTable {
 public:
  WeightTable(Graph& graph, const LoadOptions& options, Reach reach, ModelSource& source);

  struct Reader {
    const onnx::NodeProto* node = nullptr;
    int input = 0;
    GraphPath graph{};
    std::string alias{};  // the Identity output that the node reads, or empty
    bool in_file = true;  // false: no copy can be written for it, so it shares what others read
  };

  // `place.name` is the name that the graph knows the tensor by; `data` as it is computed with.
  int add(WeightPlace place, HostTensor data);
  // Whether the value arrives where operators have their weights.
  bool at_weight_place(const std::string& name) const {
    return reach_.weight_places.count(name) > 0;
  }
  // Whether the exporter named the tensor, not the model's author.
  bool has_generated_name(int weight) const;
  bool trainable(int weight) const { return weights_[static_cast<size_t>(weight)].trainable; }
  // Whether --freeze names the tensor that this reader would be given.
  bool frozen(int weight, const Reader& reader) const;

  // The parameter that this reader trains; a constant where it is frozen.
  ValueId parameter(int weight, const Reader& reader);
  // The running statistic that this reader updates. The same statistic in several readers (--untie
  // none) is updated by one after the other: a later one continues from the earlier's result.
  ValueId state(int weight, const Reader& reader);
  void set_state(ValueId read, ValueId replacement);  // nothing where `read` is no state

  std::vector<StateUpdate> state_updates() const;
  std::vector<Weight> in_graph() const;  // in graph order
  std::vector<std::string> notes() const;
  int64_t float_elements() const;  // over all tensors added that hold floats and have a rank

 private:
  struct Entry {
    WeightPlace place{};
    HostTensor data{};
    bool trainable = false;
    ValueId shared = kNoValue;  // the value of those who share it, or of the first reader
    std::set<std::string> reader_ops{};
    // A node in the body of a loop reads its tensor once in each pass.
    std::map<std::tuple<GraphPath, std::string, int>, ValueId> by_reader{};
    int copies = 0;
  };

  // Under which name a reader gets the tensor, and whether that is a copy of its own.
  struct Choice {
    std::string name{};
    bool copy = false, under_alias = false;
  };

  Choice choose(const Entry& entry, const Reader& reader) const;
  bool decide(const WeightPlace& place, const HostTensor& data);
  bool gets_own_copy(const Entry& entry, const Reader& reader) const;
  ValueId acquire(Entry& entry, const Reader& reader, Role role);
  ValueId choose_value(Entry& entry, const Reader& reader, Role role);
  std::string copy_name(const Entry& entry, const Reader& reader) const;

  Graph& graph_;
  const LoadOptions& options_;
  Reach reach_;
  ModelSource& source_;
  std::vector<std::string> untie_globs_;
  std::vector<Entry> weights_;
  std::set<std::string> file_names_;  // taken in the file
  std::set<std::string> taken_;       // taken by values of the graph
  std::map<ValueId, ValueId> latest_state_;
  std::vector<ValueId> states_;
};

}  // namespace headrace
