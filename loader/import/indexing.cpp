#include <algorithm>
#include <cstring>

#include "loader/import/rules.h"

namespace headrace {
namespace {

void gather(ImportContext& c) {
  c.result(c.add("Gather", {c.value(0), c.value(1)}, {{"axis", c.axis(0, c.rank(0))}}));
}

void gather_elements(ImportContext& c) {
  c.result(c.add("GatherElements", {c.value(0), c.value(1)}, {{"axis", c.axis(0, c.rank(0))}}));
}

void gather_nd(ImportContext& c) {
  c.result(
      c.add("GatherND", {c.value(0), c.value(1)}, {{"batch_dims", c.get_int("batch_dims", 0)}}));
}

// Scatter of opset 9 and 10 is the same without a reduction.
void scatter_elements(ImportContext& c) {
  c.result(
      c.add("ScatterElements", {c.value(0), c.value(1), c.value(2)},
            {{"axis", c.axis(0, c.rank(0))}, {"reduction", c.get_string("reduction", "none")}}));
}

void scatter_nd(ImportContext& c) {
  c.result(c.add("ScatterND", {c.value(0), c.value(1), c.value(2)},
                 {{"reduction", c.get_string("reduction", "none")}}));
}

// Writes `update` into a cache, from position write_indices[batch] of `axis` on; with mode
// "circular" what goes beyond the end continues at the start.
void tensor_scatter(ImportContext& c) {
  const Shape update = c.shape(1);
  const int64_t rank = c.rank(0), axis = c.axis(-2, rank);
  if (axis == 0) throw Unsupported("axis 0, which is the batch's");
  ValueId places = c.positions(update.at(static_cast<size_t>(axis)), axis, rank);
  if (c.has(2)) {
    Shape per_batch(update.size(), 1);
    per_batch[0] = update[0];
    const ValueId starts = c.reshape(c.cast(c.value(2), DType::i64), per_batch);
    places = c.add("Add", {starts, places});
  }
  if (c.get_string("mode", "linear") == "circular") {
    const ValueId length =
        c.scalar(static_cast<double>(c.shape(0)[static_cast<size_t>(axis)]), DType::i64);
    places = c.add("Mod", {places, length}, {{"fmod", int64_t{0}}});
  }
  if (c.type_of(places).shape != update) places = c.add("Expand", {places}, {{"shape", update}});
  c.result(c.add("ScatterElements", {c.value(0), places, c.value(1)},
                 {{"axis", axis}, {"reduction", std::string("none")}}));
}

// k is an attribute before opset 10. The result comes sorted whether that is asked for or not.
void top_k(ImportContext& c) {
  const int64_t axis = c.axis(-1, c.rank(0));
  const int64_t k =
      c.opset() < 10 ? c.get_int("k", 1) : static_cast<int64_t>(c.number(1, "number of results"));
  const auto outputs = c.add_all("TopK", {c.value(0)},
                                 {{"axis", axis}, {"k", k}, {"largest", c.get_int("largest", 1)}});
  c.result(outputs.at(0));
  c.result(outputs.at(1), 1);
}

// Where the extreme element of each line stands, its dimension kept as 1.
ValueId extreme(ImportContext& c, ValueId x, int64_t axis, bool largest, bool last) {
  const Shape shape = c.type_of(x).shape;
  const int64_t length = shape[static_cast<size_t>(axis)];
  if (length == 0) throw Unsupported("axis {} of {}, which is empty", axis, to_string(shape));
  if (last) {
    Shape starts(shape.size(), 0), ends = shape, steps(shape.size(), 1);
    starts[static_cast<size_t>(axis)] = length - 1;
    ends[static_cast<size_t>(axis)] = -1;
    steps[static_cast<size_t>(axis)] = -1;
    x = c.add("Slice", {x}, {{"starts", starts}, {"ends", ends}, {"steps", steps}});
  }
  const ValueId place =
      c.add_all("TopK", {x}, {{"axis", axis}, {"k", int64_t{1}}, {"largest", int64_t{largest}}})
          .at(1);
  if (!last) return place;
  return c.add("Sub", {c.scalar(static_cast<double>(length - 1), DType::i64), place});
}

void arg_extreme(ImportContext& c) {
  Shape shape = c.shape(0);
  const int64_t axis = c.axis(0, c.rank(0));
  const ValueId place =
      extreme(c, c.value(0), axis, c.op() == "ArgMax", c.get_int("select_last_index", 0) != 0);
  shape.erase(shape.begin() + axis);
  c.result(c.get_int("keepdims", 1) != 0 ? place : c.reshape(place, shape));
}

// One where the largest of a line stands first. Before opset 13 the dimensions from `axis` on are
// one line.
void hardmax(ImportContext& c) {
  const Shape original = c.shape(0);
  const DType dtype = c.type(0).dtype;
  int64_t axis = c.axis(c.opset() < 13 ? 1 : -1, c.rank(0));
  ValueId x = c.value(0);
  if (c.opset() < 13) {
    const std::span<const int64_t> dims(original);
    x = c.reshape(x, {element_count(dims.first(static_cast<size_t>(axis))),
                      element_count(dims.subspan(static_cast<size_t>(axis)))});
    axis = 1;
  }
  const Shape shape = c.type_of(x).shape;
  const ValueId all =
      c.positions(shape[static_cast<size_t>(axis)], axis, static_cast<int64_t>(shape.size()));
  const ValueId hot = c.add("Equal", {all, extreme(c, x, axis, true, false)});
  c.result(c.reshape(c.cast(hot, dtype), original));
}

// Element i of a vector as a scalar.
ValueId element(ImportContext& c, size_t input, int64_t i) {
  const TensorType type = c.type(input);
  if (c.operand(input).kind == Operand::Kind::constant) {
    auto [scalar, bytes] = allocate_constant({type.dtype, {}});
    const size_t size = size_of(type.dtype);
    std::memcpy(bytes, c.operand(input).data.data.get() + static_cast<size_t>(i) * size, size);
    return c.add_constant(scalar);
  }
  const ValueId part = c.add("Slice", {c.value(input)},
                             {{"starts", Shape{i}}, {"ends", Shape{i + 1}}, {"steps", Shape{1}}});
  return c.reshape(part, {});
}

// Indices count from the end where they are negative; those outside of [-depth, depth) leave their
// line off.
void one_hot(ImportContext& c) {
  const int64_t depth = c.has(1) ? static_cast<int64_t>(c.number(1, "depth")) : 0;
  if (depth < 1) throw Unsupported("depth {}", depth);
  if (c.shape(2) != Shape{2}) throw Unsupported("values {}", to_string(c.type(2)));
  Shape shape = c.shape(0);
  const int64_t axis = c.axis(-1, c.rank(0) + 1);
  shape.insert(shape.begin() + axis, 1);
  ValueId indices = c.reshape(c.cast(c.value(0), DType::i64), shape);
  const ValueId negative = c.add("Less", {indices, c.scalar(0, DType::i64)});
  const ValueId from_end =
      c.add("Add", {indices, c.scalar(static_cast<double>(depth), DType::i64)});
  indices = c.add("Where", {negative, from_end, indices});
  const ValueId hot =
      c.add("Equal", {indices, c.positions(depth, axis, static_cast<int64_t>(shape.size()))});
  c.result(c.add("Where", {hot, element(c, 2, 1), element(c, 2, 0)}));
}

void running_scan(ImportContext& c) {
  const int64_t axis = normalize_axis(static_cast<int64_t>(c.number(1, "axis")), c.rank(0));
  c.result(c.add(c.op(), {c.value(0)},
                 {{"axis", axis},
                  {"exclusive", c.get_int("exclusive", 0)},
                  {"reverse", c.get_int("reverse", 0)}}));
}

void reverse_sequence(ImportContext& c) {
  c.result(c.add("ReverseSequence", {c.value(0), c.value(1)},
                 {{"batch_axis", normalize_axis(c.get_int("batch_axis", 1), c.rank(0))},
                  {"time_axis", normalize_axis(c.get_int("time_axis", 0), c.rank(0))}}));
}

// Takes the entries of `axis` (left out: of the flattened input) whose condition holds.
void compress(ImportContext& c) {
  const auto condition = c.ints(1, "condition");
  ValueId x = c.value(0);
  int64_t axis = 0;
  if (c.has_attribute("axis")) {
    axis = c.axis(0, c.rank(0));
  } else {
    x = c.reshape(x, {c.type(0).elements()});
  }
  std::vector<int64_t> kept;
  for (size_t i = 0; i < condition.size(); ++i)
    if (condition[i] != 0) kept.push_back(static_cast<int64_t>(i));
  if (!kept.empty() && kept.back() >= c.type_of(x).shape[static_cast<size_t>(axis)])
    throw Unsupported("a condition of {} for axis {} of {}", condition.size(), axis,
                      to_string(c.type_of(x)));
  const ValueId indices =
      c.add_constant(make_host_tensor<int64_t>({static_cast<int64_t>(kept.size())}, kept));
  c.result(c.add("Gather", {x, indices}, {{"axis", axis}}));
}

}  // namespace

std::span<const ImportRule> indexing_rules() {
  static constexpr ImportRule kRules[] = {
      {"Gather", gather},
      {"GatherElements", gather_elements},
      {"GatherND", gather_nd},
      {"Scatter", scatter_elements},
      {"ScatterElements", scatter_elements},
      {"ScatterND", scatter_nd},
      {"TensorScatter", tensor_scatter},
      {"TopK", top_k},
      {"ArgMax", arg_extreme},
      {"ArgMin", arg_extreme},
      {"Hardmax", hardmax},
      {"OneHot", one_hot},
      {"CumSum", running_scan},
      {"CumProd", running_scan},
      {"ReverseSequence", reverse_sequence},
      {"Compress", compress},
  };
  return kRules;
}

}  // namespace headrace
