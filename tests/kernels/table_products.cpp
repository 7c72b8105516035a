#include "tests/kernels/operator_table.h"

namespace headrace {
namespace {

Attributes transposed(int64_t a, int64_t b, const char* activation = "") {
  return {{"transpose_a", a}, {"transpose_b", b}, {"activation", std::string(activation)}};
}

}  // namespace

void add_product_rows(Table& t) {
  t.push_back({"Det", {}, {f32({2, 3, 3, 3})}});
  t.push_back({"Det", {}, {f32({5, 5})}});
  t.push_back({"Det", {}, {f32({4, 1, 1})}});
  t.push_back({"Det", {}, {f32({2, 2}, 1, 1)}});  // no inverse
  const auto swap_if = [](bool swap, int64_t rows, int64_t columns) {
    return swap ? Shape{columns, rows} : Shape{rows, columns};
  };
  for (int64_t a : {0, 1})
    for (int64_t b : {0, 1}) {
      t.push_back({"MatMul", transposed(a, b), {f32(swap_if(a, 7, 13)), f32(swap_if(b, 13, 5))}});
      t.push_back({"MatMul",
                   transposed(a, b),
                   {f32(swap_if(a, 32, 48)), f32(swap_if(b, 48, 64)), f32({64})}});
      const auto batched = [](Shape matrix) {
        matrix.insert(matrix.begin(), {2, 3});
        return matrix;
      };
      t.push_back({"MatMul",
                   transposed(a, b),
                   {f32(batched(swap_if(a, 6, 8))), f32(batched(swap_if(b, 8, 9)))}});
    }
  for (const char* activation : {"", "relu"}) {
    t.push_back({"MatMul", transposed(0, 0, activation), {f32({5, 17}), f32({17, 10}), f32({10})}});
    t.push_back(
        {"MatMul", transposed(0, 1, activation), {f32({3, 4, 16}), f32({20, 16}), f32({20})}});
  }
  t.push_back({"MatMul", transposed(0, 0), {f32({2, 3, 4, 5}), f32({5, 6})}});
  t.push_back({"MatMul", transposed(0, 0), {f32({4, 5}), f32({2, 3, 5, 6})}});
  t.push_back({"MatMul", transposed(0, 1), {f32({2, 1, 4, 5}), f32({1, 3, 6, 5})}});
  t.push_back({"MatMul", transposed(0, 0), {f32({3, 4, 5}), f32({1, 5, 6})}});
  t.push_back({"MatMul", transposed(0, 0), {f32({1, 300}), f32({300, 1})}});
  t.push_back({"MatMul", transposed(0, 0), {f32({9, 1}), f32({1, 9})}});
  t.push_back(
      {"MatMul", transposed(0, 0), {f32({2, 40}), constant(f32({40, 24})), constant(f32({24}))}});
  t.push_back({"MatMul", transposed(0, 0), {i64({3, 4}, -5, 5), i64({4, 2}, -5, 5)}});
}

void add_convolution_rows(Table& t) {
  struct Form {
    Shape x, w;
    Ints strides, pads, dilations;
    int64_t group = 1;
  };
  const Form forms[] = {
      {{2, 3, 8, 8}, {4, 3, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {{2, 3, 9, 7}, {5, 3, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}},
      {{1, 3, 10, 11}, {6, 3, 5, 3}, {2, 1}, {0, 2, 3, 1}, {1, 1}},   // asymmetric pads
      {{2, 4, 10, 10}, {3, 4, 3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}},   // dilated
      {{2, 8, 6, 6}, {4, 4, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2},  // grouped
      {{2, 6, 7, 7}, {6, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 6},  // depthwise
      {{2, 32, 7, 7}, {32, 1, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 32},
      {{1, 4, 5, 5}, {8, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 4},  // two filters per channel
      {{2, 16, 7, 7}, {16, 16, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},  // blocked channels
      {{2, 32, 6, 6}, {48, 32, 1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {{2, 64, 7, 7}, {32, 64, 1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}},
      {{1, 48, 5, 5}, {64, 48, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {{3, 64, 4, 4}, {64, 64, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}},  // small images
      {{2, 48, 1, 1}, {48, 48, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {{1, 3, 19, 19}, {16, 3, 7, 7}, {2, 2}, {3, 3, 3, 3}, {1, 1}},
      {{1, 20, 6, 6}, {33, 20, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},  // no multiple of 16
      {{2, 3, 20}, {5, 3, 4}, {2}, {1, 2}, {1}},                      // one dimension
      {{2, 16, 20}, {16, 1, 3}, {1}, {2, 2}, {2}, 16},
      {{1, 2, 5, 6, 7}, {3, 2, 3, 3, 3}, {1, 2, 1}, {1, 1, 1, 1, 1, 1}, {1, 1, 1}},
      {{2, 3, 4, 4}, {7, 3, 4, 4}, {1, 1}, {0, 0, 0, 0}, {1, 1}},    // the whole plane
      {{2, 3, 11, 11}, {4, 3, 2, 2}, {3, 3}, {0, 0, 0, 0}, {1, 1}},  // gaps between windows
  };
  for (const Form& f : forms) {
    const Attributes a{{"strides", f.strides},
                       {"pads", f.pads},
                       {"dilations", f.dilations},
                       {"group", f.group},
                       {"activation", std::string("")}};
    t.push_back({"Conv", a, {f32(f.x), f32(f.w)}});
    t.push_back({"Conv", a, {f32(f.x), f32(f.w), f32({f.w[0]})}});
  }
  for (size_t i : {0, 4, 5, 8}) {
    const Form& f = forms[i];
    const Attributes a{{"strides", f.strides},
                       {"pads", f.pads},
                       {"dilations", f.dilations},
                       {"group", f.group},
                       {"activation", std::string("relu")}};
    t.push_back({"Conv", a, {f32(f.x), f32(f.w), f32({f.w[0]})}});
    t.push_back({"Conv", a, {f32(f.x), constant(f32(f.w)), constant(f32({f.w[0]}))}});
    t.push_back({"Conv", a, {fixed(f32(f.x)), f32(f.w), f32({f.w[0]})}});
  }
}

void add_transposed_convolution_rows(Table& t) {
  struct Form {
    Shape dy, w, dx;
    Ints strides, pads, dilations;
    int64_t group = 1;
  };
  const Form forms[] = {
      {{2, 4, 5, 5}, {4, 3, 2, 2}, {2, 3, 10, 10}, {2, 2}, {0, 0, 0, 0}, {1, 1}},
      {{2, 32, 4, 4}, {32, 16, 2, 2}, {2, 16, 8, 8}, {2, 2}, {0, 0, 0, 0}, {1, 1}},
      {{1, 16, 3, 5}, {16, 32, 4, 4}, {1, 32, 6, 10}, {2, 2}, {1, 1, 1, 1}, {1, 1}},
      {{2, 3, 4, 4}, {3, 5, 3, 3}, {2, 5, 8, 9}, {2, 2}, {1, 0, 1, 1}, {1, 1}},  // output padding
      {{1, 3, 5, 5}, {3, 4, 3, 3}, {1, 4, 9, 9}, {1, 1}, {0, 0, 0, 0}, {2, 2}},
      {{2, 8, 4, 4}, {8, 3, 3, 3}, {2, 6, 9, 9}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 2},
      {{1, 32, 4, 4}, {32, 1, 4, 4}, {1, 32, 8, 8}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 32},
      {{2, 3, 7}, {3, 2, 4}, {2, 2, 14}, {2}, {1, 1}, {1}},
      {{1, 2, 3, 2, 3}, {2, 3, 2, 3, 2}, {1, 3, 4, 4, 6}, {1, 2, 2}, {0, 1, 0, 0, 0, 0}, {1, 1, 1}},
      {{2, 48, 1, 1}, {48, 64, 4, 4}, {2, 64, 4, 4}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
  };
  for (const Form& f : forms) {
    Attributes a{{"strides", f.strides}, {"pads", f.pads},      {"dilations", f.dilations},
                 {"group", f.group},     {"input_shape", f.dx}, {"activation", std::string("")}};
    t.push_back({"ConvInputGrad", a, {f32(f.dy), f32(f.w)}});
    t.push_back({"ConvInputGrad", a, {f32(f.dy), f32(f.w), f32({f.dx[1]})}});
    if (f.group > 2 || f.strides != Ints{2, 2}) continue;
    a.set("activation", std::string("relu"));
    t.push_back({"ConvInputGrad", a, {f32(f.dy), constant(f32(f.w)), constant(f32({f.dx[1]}))}});
  }
}

void add_pooling_rows(Table& t) {
  struct Form {
    Shape x;
    Ints kernel, strides, pads, dilations;
    int64_t ceil_mode = 0;
  };
  const Form forms[] = {
      {{2, 3, 8, 8}, {2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}},
      {{2, 16, 9, 9}, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}},
      {{1, 20, 7, 8}, {3, 2}, {1, 2}, {1, 0, 0, 1}, {1, 1}},
      {{2, 32, 8, 8}, {3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1},
      {{1, 48, 6, 6}, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
      {{2, 3, 13}, {3}, {2}, {1, 1}, {1}},
      {{1, 2, 5, 6, 7}, {2, 3, 2}, {2, 1, 2}, {0, 1, 0, 0, 1, 0}, {1, 1, 1}},
      {{2, 64, 7, 7}, {7, 7}, {1, 1}, {0, 0, 0, 0}, {1, 1}},     // the whole plane
      {{1, 2, 18, 18}, {17, 17}, {1, 1}, {0, 0, 0, 0}, {1, 1}},  // 289 places: a wide index
  };
  for (const Form& f : forms) {
    const Attributes window{{"kernel_shape", f.kernel},
                            {"strides", f.strides},
                            {"pads", f.pads},
                            {"ceil_mode", f.ceil_mode}};
    Attributes max = window;
    max.set("dilations", f.dilations);
    t.push_back({"MaxPool", max, {f32(f.x)}});
    for (int64_t count_include_pad : {0, 1}) {
      Attributes average = window;
      average.set("count_include_pad", count_include_pad);
      t.push_back({"AveragePool", average, {f32(f.x)}});
    }
  }
  t.push_back({"MaxPool",
               {{"kernel_shape", Ints{2, 2}},
                {"strides", Ints{2, 2}},
                {"pads", Ints{0, 0, 1, 1}},
                {"dilations", Ints{1, 1}},
                {"ceil_mode", 0_i}},
               {number(DType::u8, {1, 3, 7, 7}, 0, 255)}});
  for (int64_t column_major : {0, 1})
    for (const Ints& kernel : {Ints{3, 2}, Ints{17, 17}}) {
      const int64_t size = kernel[0] + 4, made = 5;
      t.push_back({"MaxPoolPosition",
                   {{"kernel_shape", kernel},
                    {"strides", Ints{1, 1}},
                    {"pads", Ints{0, 0, 0, 0}},
                    {"dilations", Ints{1, 1}},
                    {"ceil_mode", 0_i},
                    {"input_shape", Ints{2, 3, size, kernel[1] + 4}},
                    {"column_major", column_major}},
                   {number(kernel[0] > 3 ? DType::i32 : DType::u8, {2, 3, made, made}, 0, 5)}});
    }
  for (int64_t count_include_pad : {0, 1})
    for (int64_t ceil_mode : {0, 1})
      t.push_back({"AveragePool",
                   {{"kernel_shape", Ints{3, 2}},
                    {"strides", Ints{2, 3}},
                    {"pads", Ints{2, 1, 1, 1}},
                    {"dilations", Ints{2, 2}},
                    {"ceil_mode", ceil_mode},
                    {"count_include_pad", count_include_pad}},
                   {f32({1, 16, 9, 9})}});
  t.push_back({"MaxPool",
               {{"kernel_shape", Ints{2, 2}},
                {"strides", Ints{1, 1}},
                {"pads", Ints{1, 1, 1, 1}},
                {"dilations", Ints{2, 2}},
                {"ceil_mode", 0_i}},
               {f32({1, 3, 7, 7})}});
}

}  // namespace headrace
