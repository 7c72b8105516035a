#include "tests/kernels/operator_table.h"

namespace headrace {
namespace {

Attributes window(Ints kernel_or_empty, int64_t stride, int64_t pad) {
  Attributes a{{"strides", Ints{stride, stride}}, {"pads", Ints{pad, pad, pad, pad}}};
  if (!kernel_or_empty.empty()) a.set("kernel_shape", std::move(kernel_or_empty));
  return a;
}

OperatorRow convolution(Shape x, Shape w, int64_t stride, int64_t pad, int64_t group = 1) {
  Attributes a = window({}, stride, pad);
  a.set("dilations", Ints{1, 1});
  a.set("group", group);
  a.set("activation", std::string(""));
  return {"Conv", a, {f32(std::move(x)), f32(std::move(w))}};
}

OperatorRow product(Shape a, Shape b, int64_t transpose_b = 0) {
  return {"MatMul",
          {{"transpose_a", 0_i}, {"transpose_b", transpose_b}, {"activation", std::string("")}},
          {f32(std::move(a)), f32(std::move(b))}};
}

}  // namespace

// A residual network on images of 32 and 224 pixels, a mobile network and a transformer of 8 heads.
const std::vector<OperatorRow>& benchmark_table() {
  static const Table table = [] {
    Table t;
    t.push_back(convolution({16, 3, 32, 32}, {32, 3, 3, 3}, 1, 1));
    t.push_back(convolution({16, 64, 16, 16}, {64, 64, 3, 3}, 1, 1));
    t.push_back(convolution({4, 3, 224, 224}, {64, 3, 7, 7}, 2, 3));
    t.push_back(convolution({4, 64, 56, 56}, {64, 64, 3, 3}, 1, 1));
    t.push_back(convolution({4, 256, 28, 28}, {128, 256, 1, 1}, 1, 0));
    t.push_back(convolution({4, 512, 7, 7}, {512, 512, 3, 3}, 1, 1));
    t.push_back(convolution({4, 96, 56, 56}, {96, 1, 3, 3}, 1, 1, 96));

    t.push_back(product({64, 784}, {784, 256}));
    t.push_back(product({8, 128, 256}, {256, 1024}));
    t.push_back(product({8, 128, 1024}, {1024, 256}));
    t.push_back(product({8, 8, 128, 32}, {8, 8, 128, 32}, 1));
    t.push_back(product({8, 8, 128, 128}, {8, 8, 128, 32}));

    const Shape image = {16, 64, 32, 32}, channels = {64}, text = {8, 128, 256};
    for (const char* activation : {"", "relu"})
      t.push_back({"BatchNormalization",
                   {{"epsilon", 1e-5}, {"momentum", 0.9}, {"activation", std::string(activation)}},
                   {f32(image), f32(channels), f32(channels), fixed(f32(channels)),
                    fixed(f32(channels, 0.5, 2))}});
    t.push_back({"LayerNormalization",
                 {{"axis", 2_i}, {"epsilon", 1e-5}},
                 {f32(text), f32({256}), f32({256})}});
    t.push_back({"Softmax", {{"axis", 3_i}}, {f32({8, 8, 128, 128})}});
    Attributes max = window({3, 3}, 2, 1), average = window({7, 7}, 1, 0);
    max.set("dilations", Ints{1, 1});
    max.set("ceil_mode", 0_i);
    average.set("ceil_mode", 0_i);
    average.set("count_include_pad", 0_i);
    t.push_back({"MaxPool", max, {f32({4, 64, 112, 112})}});
    t.push_back({"AveragePool", average, {f32({16, 512, 7, 7})}});

    for (const char* op : {"Relu", "Gelu", "Tanh", "Sigmoid", "Exp", "HardSwish"})
      t.push_back({op, {}, {f32({1 << 20})}});
    t.push_back({"Add", {}, {f32(image), f32(image)}});
    t.push_back({"Add", {}, {f32(text), f32({256})}});
    t.push_back({"Mul", {}, {f32(image), f32({16, 64, 1, 1})}});
    t.push_back({"ReduceMean", {{"axes", Ints{2, 3}}, {"keepdims", 0_i}}, {f32(image)}});
    t.push_back({"ReduceSum", {{"axes", Ints{0, 1}}, {"keepdims", 0_i}}, {f32(text)}});
    t.push_back({"Transpose", {{"perm", Ints{0, 2, 1, 3}}}, {f32({8, 128, 8, 32})}});
    t.push_back({"Concat", {{"axis", 1_i}}, {f32(image), f32(image)}});
    t.push_back({"Split",
                 {{"axis", 2_i}, {"split", Ints{256, 256, 256}}},
                 {f32({8, 128, 768})},
                 {0, 1, 2}});
    t.push_back({"Gather", {{"axis", 0_i}}, {f32({30000, 256}), i64({8, 128}, 0, 29999)}});
    t.push_back({"Dropout", {{"ratio", 0.1}, {"seed", 1_i}}, {f32({1 << 20})}});
    t.push_back({"SoftmaxCrossEntropy",
                 {{"axis", 1_i}, {"reduction", std::string("mean")}},
                 {f32({1024, 1000}), i64({1024}, 0, 999)}});
    t.push_back({"MeanSquaredError", {{"reduction", std::string("mean")}}, {f32(text), f32(text)}});
    const InputSpec p = fixed(f32({1 << 20})), v = fixed(f32({1 << 20}, 0, 1));
    t.push_back({"SgdUpdate", {{"momentum", 0.9}, {"weight_decay", 1e-4}}, {p, p, p}});
    t.push_back({"AdamUpdate",
                 {{"beta1", 0.9},
                  {"beta2", 0.999},
                  {"epsilon", 1e-8},
                  {"weight_decay", 0.01},
                  {"decoupled", 1_i}},
                 {p, p, p, v}});
    t.push_back({"SquaredNorm", {}, {p}});
    return t;
  }();
  return table;
}

}  // namespace headrace
