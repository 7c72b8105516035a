#include "loader/import/weights.h"

#include <algorithm>
#include <cmath>

#include "loader/glob.h"

namespace headrace {
namespace {

// Beyond this no weight is meant to be trained: it is a mask's minus infinity.
constexpr float kMaskMagnitude = 1e9F;

bool looks_like_a_mask(const HostTensor& data) {
  const auto values = data.as<float>();
  return std::any_of(values.begin(), values.end(),
                     [](float value) { return !(std::fabs(value) < kMaskMagnitude); });
}

bool is_zero(const HostTensor& data) {
  const auto values = data.as<float>();
  return std::all_of(values.begin(), values.end(), [](float value) { return value == 0; });
}

// Names that exporters give to what they computed, as opposed to parameters of a module.
bool is_generated_name(const std::string& name) {
  static const std::vector<std::string> patterns = {"onnx::*", "/*",         "val_#",      "_val_#",
                                                    "const_*", "constant_*", "Constant_*", "#"};
  // Digits count as one #, so that "val_12" and "12" are "val_#" and "#".
  std::string shape;
  for (const char c : name) {
    const char shown = c >= '0' && c <= '9' ? '#' : c;
    if (shown != '#' || shape.empty() || shape.back() != '#') shape += shown;
  }
  return matches_any(patterns, shape);
}

// PyTorch writes the module path of each node: "['', 'blocks.0', 'blocks.0.ln1', 'layer_norm']".
std::string module_of(const onnx::NodeProto& node) {
  for (const auto& property : node.metadata_props()) {
    if (property.key() != "pkg.torch.onnx.name_scopes") continue;
    std::vector<std::string> scopes;
    const std::string& text = property.value();
    for (size_t from = text.find('\''); from != std::string::npos;) {
      const size_t to = text.find('\'', from + 1);
      if (to == std::string::npos) break;
      scopes.push_back(text.substr(from + 1, to - from - 1));
      from = text.find('\'', to + 1);
    }
    return scopes.size() < 2 ? "" : scopes[scopes.size() - 2];
  }
  return {};
}

std::string first_output(const onnx::NodeProto& node) {
  for (const std::string& output : node.output())
    if (!output.empty()) return output;
  return {};
}

}  // namespace

WeightTable::WeightTable(Graph& graph, const LoadOptions& options, Reach reach, ModelSource& source)
    : graph_(graph), options_(options), reach_(std::move(reach)), source_(source) {
  if (options.untie != "auto" && options.untie != "none") untie_globs_ = split_globs(options.untie);
  const auto& main = source.imported()->graph();
  for (const auto& input : main.input()) file_names_.insert(input.name());
  for (const auto& tensor : main.initializer()) file_names_.insert(tensor.name());
  for (const auto& node : main.node())
    file_names_.insert(node.output().begin(), node.output().end());
}

bool WeightTable::decide(const WeightPlace& place, const HostTensor& data) {
  const TensorType& type = data.type;
  if (type.dtype != DType::f32) return false;
  if (options_.trained) return options_.trained->count(place.name) > 0;
  if (type.rank() == 0 || type.elements() == 0) return false;
  if (reach_.differentiable.count(place.name) == 0) return false;
  // Where several nodes read the tensor, each reader's own name decides, once it has one.
  const auto readers = reach_.readers.find(place.name);
  if ((readers == reach_.readers.end() || readers->second < 2) &&
      matches_any(options_.freeze, place.name))
    return false;
  const bool in_place = at_weight_place(place.name);
  if (type.elements() == 1 && !in_place &&
      (place.holder == Holder::constant || is_generated_name(place.name)))
    return false;
  // Exporters write out the zeros that a recurrence starts from.
  if (reach_.initial_states.count(place.name) > 0 && is_generated_name(place.name) && is_zero(data))
    return false;
  return in_place || !looks_like_a_mask(data);
}

bool WeightTable::has_generated_name(int weight) const {
  return is_generated_name(weights_[static_cast<size_t>(weight)].place.name);
}

int WeightTable::add(WeightPlace place, HostTensor data) {
  const bool trainable = decide(place, data);
  weights_.push_back({.place = std::move(place), .data = std::move(data), .trainable = trainable});
  return static_cast<int>(weights_.size() - 1);
}

bool WeightTable::gets_own_copy(const Entry& entry, const Reader& reader) const {
  if (options_.untie == "none" || !reader.in_file) return false;
  if (options_.untie != "auto") return matches_any(untie_globs_, entry.place.name);
  const std::string& op = reader.node->op_type();
  if (owns_its_weights(op) && reader.input > 0) return true;
  // Parts of one tensor belong together.
  static const std::set<std::string> takes_parts = {"Gather", "GatherElements", "GatherND",
                                                    "Slice",  "Split",          "SplitToSequence"};
  return entry.data.type.rank() == 1 && takes_parts.count(op) == 0;
}

std::string WeightTable::copy_name(const Entry& entry, const Reader& reader) const {
  const auto free = [&](const std::string& name) {
    return taken_.count(name) == 0 && file_names_.count(name) == 0;
  };
  const std::string& root = entry.place.name;
  const std::string module = module_of(*reader.node);
  if (!module.empty()) {
    std::string name = module + "." + root.substr(root.find_last_of('.') + 1);
    if (free(name)) return name;
  }
  const std::string owner =
      reader.node->name().empty() ? first_output(*reader.node) : reader.node->name();
  const std::string base = fmt::format("{}@{}", root, owner);
  std::string name = base;
  for (int i = 2; !free(name); ++i) name = fmt::format("{}_{}", base, i);
  return name;
}

WeightTable::Choice WeightTable::choose(const Entry& entry, const Reader& reader) const {
  const bool own = gets_own_copy(entry, reader);
  if (own && !reader.alias.empty() && taken_.count(reader.alias) == 0)
    return {.name = reader.alias, .copy = true, .under_alias = true};
  const std::string& root = entry.place.name;
  if (!own && entry.shared != kNoValue) return {.name = graph_.value(entry.shared).name};
  if (taken_.count(root) == 0) return {.name = root};
  // Without a copy of its own only a tensor of a subgraph comes here, whose name another subgraph
  // has.
  return {.name = copy_name(entry, reader), .copy = own};
}

bool WeightTable::frozen(int weight, const Reader& reader) const {
  return matches_any(options_.freeze, choose(weights_[static_cast<size_t>(weight)], reader).name);
}

ValueId WeightTable::acquire(Entry& entry, const Reader& reader, Role role) {
  ValueId& known =
      entry.by_reader
          .try_emplace({reader.graph, first_output(*reader.node), reader.input}, kNoValue)
          .first->second;
  if (known == kNoValue) known = choose_value(entry, reader, role);
  return known;
}

ValueId WeightTable::choose_value(Entry& entry, const Reader& reader, Role role) {
  entry.reader_ops.insert(reader.node->op_type());
  const Choice choice = choose(entry, reader);
  if (!choice.copy && entry.shared != kNoValue) return entry.shared;
  WeightPlace place = entry.place;
  if (choice.copy) {
    ++entry.copies;
    place.copy = true;
    place.alias = choice.under_alias ? reader.alias : "";
    place.uses.push_back(
        {.graph = reader.graph, .node = first_output(*reader.node), .input = reader.input});
  }
  if (role == Role::parameter && matches_any(options_.freeze, choice.name)) role = Role::constant;
  taken_.insert(choice.name);
  source_.places[choice.name] = std::move(place);
  const ValueId value = graph_.add_value(
      {.name = choice.name, .type = entry.data.type, .role = role, .data = entry.data});
  if (role == Role::state) states_.push_back(value);
  if (!choice.copy) entry.shared = value;
  return value;
}

ValueId WeightTable::parameter(int weight, const Reader& reader) {
  return acquire(weights_[static_cast<size_t>(weight)], reader, Role::parameter);
}

ValueId WeightTable::state(int weight, const Reader& reader) {
  const ValueId value = acquire(weights_[static_cast<size_t>(weight)], reader, Role::state);
  const auto latest = latest_state_.find(value);
  return latest == latest_state_.end() ? value : latest->second;
}

void WeightTable::set_state(ValueId read, ValueId replacement) {
  for (const ValueId state : states_) {
    const auto latest = latest_state_.find(state);
    if (state != read && (latest == latest_state_.end() || latest->second != read)) continue;
    latest_state_[state] = replacement;
    return;
  }
}

std::vector<StateUpdate> WeightTable::state_updates() const {
  std::vector<StateUpdate> updates;
  for (const auto& [state, replacement] : latest_state_)
    updates.push_back({.state = state, .replacement = replacement});
  return updates;
}

std::vector<Weight> WeightTable::in_graph() const {
  std::vector<Weight> result;
  for (size_t v = 0; v < graph_.values().size(); ++v) {
    const Value& value = graph_.values()[v];
    if ((value.role == Role::parameter || value.role == Role::state) &&
        source_.places.count(value.name) > 0)
      result.push_back({.value = static_cast<ValueId>(v), .name = value.name});
  }
  return result;
}

std::vector<std::string> WeightTable::notes() const {
  std::vector<std::string> lines;
  for (const Entry& entry : weights_) {
    const size_t readers = entry.by_reader.size();
    if (readers < 2 || (entry.copies == 0 && entry.shared == kNoValue)) continue;
    const std::string nodes =
        entry.reader_ops.size() == 1
            ? fmt::format("{} {} nodes", readers, *entry.reader_ops.begin())
            : fmt::format("{} nodes ({})", readers, fmt::join(entry.reader_ops, ", "));
    if (entry.copies > 0)
      lines.push_back(
          fmt::format("{} shared {}: each trains its own copy", nodes, entry.place.name));
    else
      lines.push_back(fmt::format("{} share {} and stay tied", nodes, entry.place.name));
  }
  return lines;
}

int64_t WeightTable::float_elements() const {
  int64_t total = 0;
  for (const Entry& entry : weights_)
    if (is_float(entry.data.type.dtype) && entry.data.type.rank() > 0)
      total += entry.data.type.elements();
  return total;
}

}  // namespace headrace
