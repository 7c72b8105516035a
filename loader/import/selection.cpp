#include <algorithm>
#include <cmath>
#include <numeric>

#include "loader/import/rules.h"

// Operators that find how many results they have in the data: imported where that is known.
namespace headrace {
namespace {

HostTensor numbers(const std::vector<int64_t>& values) {
  return make_host_tensor<int64_t>({static_cast<int64_t>(values.size())}, values);
}

// NaN comes last and equals itself.
bool before(double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); }
bool before(int64_t a, int64_t b) { return a < b; }

// Entries of equal contents as one, by what they are found at.
struct Groups {
  std::vector<int64_t> first;     // position of each group's first entry
  std::vector<int64_t> counts;    // entries of each group
  std::vector<int64_t> group_of;  // each entry's
};

// Entry i holds `values[offset(i) + j * stride]`. In the order of the contents or, unless `sorted`,
// of the first entries.
template <typename T>
Groups group(const std::vector<T>& values, int64_t outer, int64_t entries, int64_t inner,
             bool sorted) {
  const auto compare = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        const T x = values[static_cast<size_t>((o * entries + a) * inner + i)];
        const T y = values[static_cast<size_t>((o * entries + b) * inner + i)];
        if (before(x, y)) return -1;
        if (before(y, x)) return 1;
      }
    }
    return 0;
  };
  std::vector<int64_t> order(static_cast<size_t>(entries));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return compare(a, b) < 0; });
  std::vector<std::vector<int64_t>> members;
  for (const int64_t entry : order) {
    if (members.empty() || compare(members.back().front(), entry) != 0) members.emplace_back();
    members.back().push_back(entry);
  }
  if (!sorted) std::sort(members.begin(), members.end());
  Groups groups;
  groups.group_of.resize(order.size());
  for (size_t g = 0; g < members.size(); ++g) {
    groups.first.push_back(members[g].front());
    groups.counts.push_back(static_cast<int64_t>(members[g].size()));
    for (const int64_t entry : members[g])
      groups.group_of[static_cast<size_t>(entry)] = static_cast<int64_t>(g);
  }
  return groups;
}

// The different entries of an axis (left out: of the flattened input).
void unique(ImportContext& c) {
  const HostTensor& data = c.constant(0, "input");
  Shape shape = data.type.shape;
  int64_t axis = 0;
  ValueId x = c.value(0);
  if (c.has_attribute("axis")) {
    axis = c.axis(0, c.rank(0));
  } else {
    shape = {data.type.elements()};
    x = c.reshape(x, shape);
  }
  const std::span<const int64_t> dims(shape);
  const auto at = static_cast<size_t>(axis);
  const int64_t outer = element_count(dims.first(at)), inner = element_count(dims.subspan(at + 1));
  const bool sorted = c.get_int("sorted", 1) != 0;
  const Groups groups = is_float(data.type.dtype)
                            ? group(to_doubles(data), outer, shape[at], inner, sorted)
                            : group(to_int64s(data), outer, shape[at], inner, sorted);
  const ValueId first = c.add_constant(numbers(groups.first));
  c.result(c.add("Gather", {x, first}, {{"axis", axis}}));
  c.result(numbers(groups.first), 1);
  c.result(numbers(groups.group_of), 2);
  c.result(numbers(groups.counts), 3);
}

struct Box {
  double low[2], high[2];

  double area() const { return (high[0] - low[0]) * (high[1] - low[1]); }
};

// Two opposite corners in any order or, `centred`, the middle and the extents.
Box box_of(const double* values, bool centred) {
  Box box{};
  for (int d = 0; d < 2; ++d) {
    const double a = values[d], b = values[d + 2];
    box.low[d] = centred ? a - b / 2 : std::min(a, b);
    box.high[d] = centred ? a + b / 2 : std::max(a, b);
  }
  return box;
}

// What two boxes have in common, as a share of what they cover together.
double overlap(const Box& a, const Box& b) {
  double common = 1;
  for (int d = 0; d < 2; ++d)
    common *= std::max(0.0, std::min(a.high[d], b.high[d]) - std::max(a.low[d], b.low[d]));
  const double together = a.area() + b.area() - common;
  return together > 0 ? common / together : 0;
}

// Of each batch and class, the boxes in descending order of their scores, without those that
// overlap a chosen one too much.
void non_max_suppression(ImportContext& c) {
  const Shape shape = c.shape(0), score_shape = c.shape(1);
  if (shape.size() != 3 || shape[2] != 4 || score_shape.size() != 3 || score_shape[0] != shape[0] ||
      score_shape[2] != shape[1])
    throw Unsupported("boxes {} and scores {}", to_string(shape), to_string(score_shape));
  const auto boxes = to_doubles(c.constant(0, "boxes")),
             scores = to_doubles(c.constant(1, "scores"));
  const double most = c.has(2) ? c.number(2, "max_output_boxes_per_class") : 0;
  const double largest_overlap = c.has(3) ? c.number(3, "iou_threshold") : 0;
  const bool bounded = c.has(4);
  const double least = bounded ? c.number(4, "score_threshold") : 0;
  const bool centred = c.get_int("center_point_box", 0) != 0;
  std::vector<int64_t> selected;  // batch, class, box
  for (int64_t line = 0; line < score_shape[0] * score_shape[1]; ++line) {
    const int64_t batch = line / score_shape[1];
    const double* score = scores.data() + line * shape[1];
    std::vector<int64_t> order;
    for (int64_t i = 0; i < shape[1]; ++i)
      if (!std::isnan(score[i]) && (!bounded || score[i] > least)) order.push_back(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return score[a] > score[b]; });
    std::vector<Box> chosen;
    for (const int64_t i : order) {
      if (static_cast<double>(chosen.size()) >= most) break;
      const Box box = box_of(boxes.data() + (batch * shape[1] + i) * 4, centred);
      if (std::any_of(chosen.begin(), chosen.end(),
                      [&](const Box& other) { return overlap(box, other) > largest_overlap; }))
        continue;
      chosen.push_back(box);
      selected.insert(selected.end(), {batch, line % score_shape[1], i});
    }
  }
  c.result(make_host_tensor<int64_t>({static_cast<int64_t>(selected.size() / 3), 3}, selected));
}

}  // namespace

std::span<const ImportRule> selection_rules() {
  static constexpr ImportRule kRules[] = {{"Unique", unique},
                                          {"NonMaxSuppression", non_max_suppression}};
  return kRules;
}

}  // namespace headrace
