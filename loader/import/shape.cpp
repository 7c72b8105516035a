#include <algorithm>
#include <numeric>

#include "loader/import/rules.h"

namespace headrace {
namespace {

// A constant keeps its bytes and only changes its type; anything else becomes a Reshape.
void reshaped(ImportContext& c, Shape shape) {
  const TensorType type = c.type(0);
  if (element_count(shape) != type.elements())
    throw Unsupported("{} does not reshape to {}", to_string(type), to_string(shape));
  if (type.shape == shape) {
    c.result(c.operand(0));
  } else if (c.operand(0).kind == Operand::Kind::constant) {
    c.result(HostTensor{{type.dtype, std::move(shape)}, c.operand(0).data.data});
  } else {
    c.result(c.reshape(c.value(0), std::move(shape)));
  }
}

// 0 copies the input's dimension (unless allowzero), -1 takes what is left.
void reshape(ImportContext& c) {
  const Shape input = c.shape(0);
  Shape shape = c.ints(1, "shape");
  const bool zero_is_zero = c.get_int("allowzero", 0) != 0;
  int64_t known = 1;
  auto open = shape.end();
  for (auto dim = shape.begin(); dim != shape.end(); ++dim) {
    const auto position = static_cast<size_t>(dim - shape.begin());
    if (*dim == 0 && !zero_is_zero) {
      if (position >= input.size())
        throw Unsupported("0 in {} copies no dimension", to_string(shape));
      *dim = input[position];
    }
    if (*dim < -1 || (*dim == -1 && open != shape.end()))
      throw Unsupported("the shape {} is not one", to_string(shape));
    if (*dim == -1) {
      open = dim;
    } else {
      known = element_count(Shape{known, *dim});
    }
  }
  if (open != shape.end()) {
    const int64_t elements = element_count(input);
    if (known == 0 || elements % known != 0)
      throw Unsupported("{} does not reshape to {}", to_string(input), to_string(shape));
    *open = elements / known;
  }
  reshaped(c, std::move(shape));
}

void flatten(ImportContext& c) {
  const Shape input = c.shape(0);
  const auto rank = static_cast<int64_t>(input.size());
  int64_t axis = c.get_int("axis", 1);
  if (axis != rank) axis = normalize_axis(axis, rank);
  const std::span<const int64_t> dims(input);
  reshaped(c, {element_count(dims.first(static_cast<size_t>(axis))),
               element_count(dims.subspan(static_cast<size_t>(axis)))});
}

// Axes are an attribute before opset 13, an input after.
std::vector<int64_t> axes_of(ImportContext& c, int64_t rank) {
  std::vector<int64_t> axes;
  if (c.opset() < 13) {
    axes = c.get_ints("axes");
  } else if (c.has(1)) {
    axes = c.ints(1, "axes");
  }
  for (int64_t& axis : axes) axis = normalize_axis(axis, rank);
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    throw Unsupported("an axis named twice in {}", to_string(axes));
  return axes;
}

void squeeze(ImportContext& c) {
  const Shape input = c.shape(0);
  const auto axes = axes_of(c, static_cast<int64_t>(input.size()));
  Shape shape;
  for (size_t d = 0; d < input.size(); ++d) {
    const bool named = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(d));
    if (named && input[d] != 1)
      throw Unsupported("dimension {} of {} is not 1", d, to_string(input));
    if (!(named || (axes.empty() && input[d] == 1))) shape.push_back(input[d]);
  }
  reshaped(c, std::move(shape));
}

void unsqueeze(ImportContext& c) {
  Shape shape = c.shape(0);
  const size_t given = c.opset() < 13 ? c.get_ints("axes").size() : c.ints(1, "axes").size();
  for (const int64_t axis : axes_of(c, static_cast<int64_t>(shape.size() + given)))
    shape.insert(shape.begin() + axis, 1);
  reshaped(c, std::move(shape));
}

void transpose(ImportContext& c) {
  auto perm = c.get_ints("perm");
  if (perm.empty()) {
    perm.resize(static_cast<size_t>(c.rank(0)));
    std::iota(perm.rbegin(), perm.rend(), 0);
  }
  if (std::is_sorted(perm.begin(), perm.end())) {
    c.result(c.operand(0));
  } else {
    c.result(c.transpose(c.value(0), std::move(perm)));
  }
}

void expand(ImportContext& c) {
  const Shape input = c.shape(0);
  const Shape shape = broadcast(input, c.ints(1, "shape"));
  if (shape == input) {
    c.result(c.operand(0));
  } else {
    c.result(c.add("Expand", {c.value(0)}, {{"shape", shape}}));
  }
}

// Each repeated dimension d becomes 1 x d, is expanded to r x d and joined again.
void tile(ImportContext& c) {
  const Shape input = c.shape(0);
  const auto repeats = c.ints(1, "repeats");
  if (repeats.size() != input.size())
    throw Unsupported("{} repeats for input {}", repeats.size(), to_string(input));
  Shape apart, wide, joined;
  for (size_t d = 0; d < input.size(); ++d) {
    if (repeats[d] < 0) throw Unsupported("negative repeats");
    if (repeats[d] != 1) {
      apart.push_back(1);
      wide.push_back(repeats[d]);
    }
    apart.push_back(input[d]);
    wide.push_back(input[d]);
    joined.push_back(element_count(Shape{input[d], repeats[d]}));
  }
  if (joined == input) {
    c.result(c.operand(0));
    return;
  }
  const ValueId x = c.reshape(c.value(0), apart);
  c.result(c.reshape(c.add("Expand", {x}, {{"shape", wide}}), joined));
}

// [N, b*b*C, H, W] -> [N, C, H*b, W*b]; DCR: depth is (b, b, C), CRD: (C, b, b).
void depth_to_space(ImportContext& c) {
  const Shape s = c.shape(0);
  const int64_t b = c.get_int("blocksize", 1);
  if (s.size() != 4 || b < 1 || s[1] % (b * b) != 0)
    throw Unsupported("input {} with blocks of {}", to_string(s), b);
  const int64_t depth = s[1] / (b * b);
  const bool dcr = c.get_string("mode", "DCR") == "DCR";
  const ValueId x = c.reshape(c.value(0), dcr ? Shape{s[0], b, b, depth, s[2], s[3]}
                                              : Shape{s[0], depth, b, b, s[2], s[3]});
  const ValueId moved = c.transpose(
      x, dcr ? std::vector<int64_t>{0, 3, 4, 1, 5, 2} : std::vector<int64_t>{0, 1, 4, 2, 5, 3});
  c.result(c.reshape(moved, {s[0], depth, s[2] * b, s[3] * b}));
}

void space_to_depth(ImportContext& c) {
  const Shape s = c.shape(0);
  const int64_t b = c.get_int("blocksize", 1);
  if (s.size() != 4 || b < 1 || s[2] % b != 0 || s[3] % b != 0)
    throw Unsupported("input {} with blocks of {}", to_string(s), b);
  const ValueId x = c.reshape(c.value(0), {s[0], s[1], s[2] / b, b, s[3] / b, b});
  const bool dcr = c.get_string("mode", "DCR") == "DCR";
  const ValueId moved = c.transpose(
      x, dcr ? std::vector<int64_t>{0, 3, 5, 1, 2, 4} : std::vector<int64_t>{0, 1, 3, 5, 2, 4});
  c.result(c.reshape(moved, {s[0], s[1] * b * b, s[2] / b, s[3] / b}));
}

// Sizes are constants: every shape is known.
void shape(ImportContext& c) {
  const Shape input = c.shape(0);
  const auto rank = static_cast<int64_t>(input.size());
  const auto clamp = [&](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const int64_t start = clamp(c.get_int("start", 0));
  const int64_t end = std::max(start, clamp(c.get_int("end", rank)));
  const auto part = std::span<const int64_t>(input).subspan(static_cast<size_t>(start),
                                                            static_cast<size_t>(end - start));
  c.result(make_host_tensor<int64_t>({end - start}, part));
}

void size(ImportContext& c) { c.result(scalar_tensor<int64_t>(c.type(0).elements())); }

}  // namespace

std::span<const ImportRule> shape_rules() {
  static constexpr ImportRule kRules[] = {
      {"Reshape", reshape},
      {"Flatten", flatten},
      {"Squeeze", squeeze},
      {"Unsqueeze", unsqueeze},
      {"Transpose", transpose},
      {"Expand", expand},
      {"Tile", tile},
      {"DepthToSpace", depth_to_space},
      {"SpaceToDepth", space_to_depth},
      {"Shape", shape},
      {"Size", size},
  };
  return kRules;
}

}  // namespace headrace
