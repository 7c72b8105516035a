#include "tests/kernels/operator_table.h"

namespace headrace {

void add_reduction_rows(Table& t) {
  const auto over = [](Ints axes, int64_t keepdims) {
    return Attributes{{"axes", std::move(axes)}, {"keepdims", keepdims}};
  };
  const std::pair<Shape, Ints> forms[] = {
      {{7, 11}, {1}},         {{7, 11}, {0}},
      {{7, 11}, {0, 1}},      {{3, 20, 5}, {1}},
      {{2, 3, 4, 5}, {0, 2}}, {{2, 32, 5, 5}, {2, 3}},
      {{2, 33, 4}, {0, 2}},   {{2, 16, 3, 3}, {0, 2, 3}},
  };
  for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"})
    for (const auto& [shape, axes] : forms)
      for (int64_t keepdims : {0, 1}) t.push_back({op, over(axes, keepdims), {f32(shape)}});
  t.push_back({"ReduceProd", over({1}, 0), {f32({7, 5}, 0.5, 2)}});
  t.push_back({"ReduceProd", over({0, 2}, 1), {sprinkled(f32({2, 3, 4}), 7, 0)}});
  t.push_back({"ReduceSum", over({}, 1), {f32({7, 11})}});
  t.push_back({"ReduceSum", over({0}, 0), {f32({2000, 3})}});
  t.push_back({"ReduceSum", over({1}, 0), {f32({3, 2000})}});
  for (const char* op : {"ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"})
    t.push_back({op, over({1}, 0), {i64({7, 5}, -4, 4)}});

  for (const char* op : {"Softmax", "LogSoftmax"}) {
    t.push_back({op, {{"axis", 1_i}}, {f32({7, 11}, -4, 4)}});
    t.push_back({op, {{"axis", 1_i}}, {f32({3, 32}, -4, 4)}});
    t.push_back({op, {{"axis", 0_i}}, {f32({7, 11}, -4, 4)}});
    t.push_back({op, {{"axis", 1_i}}, {f32({2, 5, 3, 4}, -4, 4)}});
    t.push_back({op, {{"axis", 3_i}}, {f32({2, 2, 9, 9}, -30, 30)}});
    t.push_back({op, {{"axis", 1_i}}, {f32({2, 1000}, -4, 4)}});
    // Large and alike, where a logarithm of the sum added to the largest would lose its digits.
    t.push_back({op, {{"axis", 1_i}}, {f32({3, 50}, 8190, 8192)}});
    t.push_back({op, {{"axis", 1_i}}, {f32({2, 50, 3}, 8190, 8192)}});
    t.push_back({op, {{"axis", 1_i}}, {fixed(f32({3, 50}, 1e30, 1e30))}});
  }
}

void add_normalization_rows(Table& t) {
  const auto layer = [](int64_t axis) { return Attributes{{"axis", axis}, {"epsilon", 1e-5}}; };
  t.push_back({"LayerNormalization", layer(1), {f32({7, 11}), f32({11}), f32({11})}});
  t.push_back({"LayerNormalization", layer(1), {f32({7, 11}), f32({11})}});
  t.push_back({"LayerNormalization", layer(2), {f32({2, 5, 48}), f32({48}), f32({48})}});
  t.push_back({"LayerNormalization", layer(1), {f32({3, 4, 9}), f32({4, 9}), f32({4, 9})}});
  t.push_back({"LayerNormalization", layer(0), {f32({40}), f32({40}), f32({40})}});
  t.push_back({"LayerNormalization", layer(2), {f32({2, 3, 64}, 90, 110), f32({64}), f32({64})}});

  for (const char* op : {"BatchNormalization", "BatchNormalizationInference"})
    for (const char* activation : {"", "relu"})
      for (const Shape& shape : {Shape{6, 5}, Shape{4, 3, 7}, Shape{2, 16, 5, 5},
                                 Shape{3, 20, 4, 4}, Shape{2, 64, 7, 7}, Shape{2, 8, 3, 4, 5}}) {
        Attributes a{{"epsilon", 1e-5}, {"activation", std::string(activation)}};
        if (std::string_view(op) == "BatchNormalization") a.set("momentum", 0.9);
        const Shape c = {shape[1]};
        t.push_back(
            {op, a, {f32(shape), f32(c, 0.5, 2), f32(c), fixed(f32(c)), fixed(f32(c, 0.5, 2))}});
      }
}

}  // namespace headrace
