#include <algorithm>
#include <numeric>

#include "loader/import/rules.h"

namespace headrace {
namespace {

// A dimension from the file asks for items; beyond this it is a mistake or an attack.
constexpr int64_t kMostItems = 10'000;

// Sequences exist only while importing: their lengths are known, so what is put in is what comes
// out.
void make(ImportContext& c, std::vector<Operand> items) {
  c.result(Operand{.kind = Operand::Kind::sequence,
                   .items = std::make_shared<const std::vector<Operand>>(std::move(items))});
}

const std::vector<Operand>& items_of(ImportContext& c) {
  const Operand& operand = c.operand(0);
  if (operand.kind != Operand::Kind::sequence) throw Unsupported("its input is not a sequence");
  return *operand.items;
}

void sequence_construct(ImportContext& c) {
  std::vector<Operand> items;
  for (size_t i = 0; i < c.input_count(); ++i) items.push_back(c.operand(i));
  make(c, std::move(items));
}

// A scalar `split` is the size of each part, a vector their sizes; none: parts of one.
void split_to_sequence(ImportContext& c) {
  const Shape input = c.shape(0);
  const int64_t axis = c.axis(0, c.rank(0));
  const int64_t length = input[static_cast<size_t>(axis)];
  std::vector<int64_t> sizes;
  if (c.has(1) && c.rank(1) == 1) {
    sizes = c.ints(1, "split");
  } else {
    const int64_t part = c.has(1) ? c.ints(1, "split").at(0) : 1;
    if (part < 1) throw Unsupported("parts of {}", part);
    if ((length - 1) / part >= kMostItems)
      throw Unsupported("a sequence of more than {} tensors", kMostItems);
    for (int64_t left = length; left > 0; left -= part) sizes.push_back(std::min(part, left));
  }
  if (std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != length)
    throw Unsupported("parts {} of a dimension of {}", to_string(sizes), length);
  std::vector<ValueId> parts;
  if (sizes.size() == 1) parts = {c.value(0)};
  if (sizes.size() > 1)
    parts = c.add_all("Split", {c.value(0)}, {{"axis", axis}, {"split", sizes}});
  const bool keep = c.has(1) || c.get_int("keepdims", 1) != 0;
  Shape squeezed = input;
  squeezed.erase(squeezed.begin() + axis);
  std::vector<Operand> items;
  items.reserve(parts.size());
  for (const ValueId part : parts)
    items.push_back(
        {.kind = Operand::Kind::computed, .value = keep ? part : c.reshape(part, squeezed)});
  make(c, std::move(items));
}

void sequence_at(ImportContext& c) {
  const auto& items = items_of(c);
  const auto position = static_cast<int64_t>(c.number(1, "position"));
  c.result(
      items[static_cast<size_t>(normalize_axis(position, static_cast<int64_t>(items.size())))]);
}

void sequence_length(ImportContext& c) {
  c.result(scalar_tensor(static_cast<int64_t>(items_of(c).size())));
}

// Joins the items along an axis that they have or, with new_axis, along one of their number.
void concat_from_sequence(ImportContext& c) {
  const auto& items = items_of(c);
  if (items.empty()) throw Unsupported("an empty sequence");
  std::vector<ValueId> parts;
  for (const Operand& item : items) parts.push_back(c.value_of(item));
  Shape shape = c.type_of(parts[0]).shape;
  const auto rank = static_cast<int64_t>(shape.size());
  const bool new_axis = c.get_int("new_axis", 0) != 0;
  const int64_t axis = c.axis(0, new_axis ? rank + 1 : rank);
  if (new_axis) {
    shape.insert(shape.begin() + axis, 1);
    for (ValueId& part : parts) part = c.reshape(part, shape);
  }
  c.result(parts.size() == 1 ? parts[0] : c.add("Concat", parts, {{"axis", axis}}));
}

// What is optional is there or is not; that is known while importing.
void optional(ImportContext& c) {
  if (!c.has(0)) throw Unsupported("an optional without an element");
  c.result(c.operand(0));
}

void optional_has_element(ImportContext& c) { c.result(scalar_tensor(c.has(0))); }

}  // namespace

std::span<const ImportRule> sequence_rules() {
  static constexpr ImportRule kRules[] = {
      {"Optional", optional},
      {"OptionalGetElement", optional},
      {"OptionalHasElement", optional_has_element},
      {"ConcatFromSequence", concat_from_sequence},
      {"SequenceConstruct", sequence_construct},
      {"SplitToSequence", split_to_sequence},
      {"SequenceAt", sequence_at},
      {"SequenceLength", sequence_length},
  };
  return kRules;
}

}  // namespace headrace
