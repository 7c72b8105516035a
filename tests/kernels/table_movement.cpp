#include "tests/kernels/operator_table.h"

namespace headrace {
namespace {

void add_layout_rows(Table& t) {
  t.push_back({"Reshape", {{"shape", Ints{6, 4}}}, {f32({2, 3, 4})}});
  t.push_back({"Reshape", {{"shape", Ints{}}}, {f32({1, 1})}});
  t.push_back({"Reshape", {{"shape", Ints{2, 288}}}, {f32({2, 32, 3, 3})}});
  t.push_back({"Reshape", {{"shape", Ints{12}}}, {i64({3, 4}, -9, 9)}});

  t.push_back({"Transpose", {{"perm", Ints{1, 0}}}, {f32({7, 11})}});
  t.push_back({"Transpose", {{"perm", Ints{1, 0}}}, {f32({40, 33})}});
  t.push_back({"Transpose", {{"perm", Ints{0, 2, 1, 3}}}, {f32({2, 5, 3, 16})}});
  t.push_back({"Transpose", {{"perm", Ints{0, 2, 3, 1}}}, {f32({2, 16, 3, 5})}});
  t.push_back({"Transpose", {{"perm", Ints{0, 3, 1, 2}}}, {f32({2, 3, 5, 16})}});
  t.push_back({"Transpose", {{"perm", Ints{3, 1, 0, 2}}}, {f32({2, 3, 4, 5})}});
  t.push_back({"Transpose", {{"perm", Ints{2, 0, 1}}}, {i64({2, 3, 4}, -9, 9)}});
  t.push_back({"Transpose", {{"perm", Ints{1, 0}}}, {boolean({5, 6})}});

  t.push_back({"Expand", {{"shape", Ints{7, 11}}}, {f32({})}});
  t.push_back({"Expand", {{"shape", Ints{7, 11}}}, {f32({11})}});
  t.push_back({"Expand", {{"shape", Ints{7, 11}}}, {f32({7, 1})}});
  t.push_back({"Expand", {{"shape", Ints{2, 3, 4, 5}}}, {f32({3, 1, 5})}});
  t.push_back({"Expand", {{"shape", Ints{3, 4}}}, {i64({4}, -9, 9)}});

  t.push_back({"Trilu", {{"upper", 1_i}, {"k", 0_i}}, {f32({5, 7})}});
  t.push_back({"Trilu", {{"upper", 0_i}, {"k", -1_i}}, {f32({2, 6, 5})}});
  t.push_back({"Trilu", {{"upper", 1_i}, {"k", 2_i}}, {i64({6, 6}, -9, 9)}});
  t.push_back({"Trilu", {{"upper", 0_i}, {"k", 1_i}}, {boolean({6, 6})}});
}

void add_part_rows(Table& t) {
  t.push_back({"Concat", {{"axis", 0_i}}, {f32({2, 5}), f32({3, 5})}});
  t.push_back({"Concat", {{"axis", 1_i}}, {f32({2, 5}), f32({2, 1}), f32({2, 7})}});
  t.push_back({"Concat", {{"axis", 1_i}}, {f32({2, 16, 4, 4}), f32({2, 32, 4, 4})}});
  t.push_back({"Concat", {{"axis", 1_i}}, {f32({2, 3, 4, 4}), fixed(f32({2, 17, 4, 4}))}});
  t.push_back({"Concat", {{"axis", 2_i}}, {f32({2, 3, 4}), f32({2, 3, 0}), f32({2, 3, 5})}});
  t.push_back({"Concat", {{"axis", 0_i}}, {i64({2}, -9, 9), i64({3}, -9, 9)}});

  t.push_back({"Split", {{"axis", 1_i}, {"split", Ints{4, 3, 5}}}, {f32({3, 12})}, {0, 1, 2}});
  t.push_back({"Split", {{"axis", 0_i}, {"split", Ints{1, 2}}}, {f32({3, 7})}, {1}});
  t.push_back({"Split", {{"axis", 2_i}, {"split", Ints{16, 16, 16}}}, {f32({2, 5, 48})}, {0, 2}});
  t.push_back({"Split", {{"axis", 1_i}, {"split", Ints{16, 32}}}, {f32({2, 48, 3, 3})}, {0, 1}});
  t.push_back({"Split", {{"axis", 0_i}, {"split", Ints{2, 1}}}, {i64({3, 2}, -9, 9)}});

  const auto slice = [](Ints starts, Ints ends, Ints steps) {
    return Attributes{
        {"starts", std::move(starts)}, {"ends", std::move(ends)}, {"steps", std::move(steps)}};
  };
  t.push_back({"Slice", slice({1, 2}, {6, 9}, {1, 1}), {f32({7, 11})}});
  t.push_back({"Slice", slice({0, 1}, {7, 11}, {2, 3}), {f32({7, 11})}});
  t.push_back({"Slice", slice({6, 10}, {-1, 2}, {-1, -3}), {f32({7, 11})}});
  t.push_back({"Slice", slice({0, 16, 0, 0}, {2, 48, 3, 3}, {1, 1, 1, 1}), {f32({2, 48, 3, 3})}});
  t.push_back({"Slice", slice({0, 0, 1, 1}, {2, 16, 5, 5}, {1, 1, 2, 2}), {f32({2, 16, 5, 5})}});
  t.push_back({"Slice", slice({3, 0}, {3, 11}, {1, 1}), {fixed(f32({7, 11}))}});
  t.push_back({"Slice", slice({4}, {-1}, {-2}), {i64({5}, -9, 9)}});
}

void add_padding_rows(Table& t) {
  const auto pad = [](Ints pads, const char* mode, double value = 0) {
    return Attributes{{"pads", std::move(pads)}, {"mode", std::string(mode)}, {"value", value}};
  };
  for (const char* mode : {"constant", "reflect", "edge", "wrap"}) {
    t.push_back({"Pad", pad({2, 1, 3, 2}, mode, 0.5), {f32({7, 11})}});
    t.push_back({"Pad", pad({0, 0, 1, 2, 0, 0, 2, 1}, mode), {f32({2, 16, 4, 4})}});
    t.push_back({"Pad", pad({0, -2, 1, -3}, mode, 1.5), {f32({7, 11})}});
  }
  t.push_back({"Pad", pad({1, 2}, "constant", 7), {i64({5}, -9, 9)}});
}

void add_slice_rows_of_gather(Table& t) {
  t.push_back({"Gather", {{"axis", 0_i}}, {f32({9, 16}), i64({2, 5}, -9, 8)}});
  t.push_back({"Gather", {{"axis", 0_i}}, {f32({9, 5}), i32({7}, 0, 8)}});
  t.push_back({"Gather", {{"axis", 1_i}}, {f32({3, 6, 4}), i64({5}, 0, 5)}});
  t.push_back({"Gather", {{"axis", 2_i}}, {f32({3, 2, 6}), i64({2, 2}, -6, 5)}});
  t.push_back({"Gather", {{"axis", 1_i}}, {f32({3, 6}), i64({}, 2, 2)}});
  t.push_back({"Gather", {{"axis", 0_i}}, {f32({2, 8}), i64({50}, 0, 1)}});  // much repetition
  t.push_back({"Gather", {{"axis", 0_i}}, {i64({6}, -9, 9), i64({3}, 0, 5)}});

  for (double ratio : {0.0, 0.1, 0.5})
    t.push_back({"Dropout", {{"ratio", ratio}, {"seed", 3_i}}, {f32({13, 37})}});
  t.push_back({"Dropout", {{"ratio", 0.25}, {"seed", 4_i}}, {f32({2, 32, 5, 5})}});
  for (const Shape& shape : {Shape{}, Shape{13, 37}, Shape{3, 50000}})
    t.push_back({"RandomUniform",
                 {{"shape", shape},
                  {"low", -0.5},
                  {"high", 2.0},
                  {"seed", 3_i},
                  {"dtype", std::string("f32")}},
                 {}});
}

}  // namespace

void add_movement_rows(Table& table) {
  add_layout_rows(table);
  add_part_rows(table);
  add_padding_rows(table);
  add_slice_rows_of_gather(table);
}

}  // namespace headrace
