#include "tests/kernels/operator_table.h"

namespace headrace {

void add_loss_rows(Table& t) {
  for (const char* op : {"SoftmaxCrossEntropy", "NegativeLogLikelihood"})
    for (const char* reduction : {"mean", "sum", "none"}) {
      const Attributes a{{"axis", 1_i}, {"reduction", std::string(reduction)}};
      Attributes ignoring = a;
      ignoring.set("ignore_index", -100_i);
      t.push_back({op, a, {f32({7, 11}, -4, 4), i64({7}, 0, 10)}});
      t.push_back({op, a, {f32({6, 5}, -4, 4), i64({6}, 0, 4), fixed(f32({5}, 0.5, 2))}});
      t.push_back({op, ignoring, {f32({9, 5}), sprinkled(i64({9}, 0, 4), 3, -100)}});
      t.push_back(
          {op,
           ignoring,
           {f32({2, 5, 3, 4}), sprinkled(i32({2, 3, 4}, 0, 4), 4, -100), fixed(f32({5}, 0.5, 2))}});
      t.push_back(
          {op, ignoring, {f32({4, 5}), sprinkled(i64({4}, 0, 4), 1, -100)}});  // none counts
    }
  // Logits so large and so alike that the logarithm of their sum is lost beside them in f32; of the
  // largest, nothing of it is left.
  const Attributes mean{{"axis", 1_i}, {"reduction", std::string("mean")}};
  for (const Shape& shape : {Shape{5, 1000}, Shape{2, 11, 3}}) {
    const InputSpec target = shape.size() == 2 ? i64({5}, 0, 999) : i64({2, 3}, 0, 10);
    t.push_back({"SoftmaxCrossEntropy", mean, {f32(shape, 8190, 8192), target}});
    t.push_back({"SoftmaxCrossEntropy", mean, {fixed(f32(shape, -1e30, -1e30)), target}});
  }
  const Attributes last_axis{{"axis", 2_i}, {"reduction", std::string("mean")}};
  t.push_back({"SoftmaxCrossEntropy", last_axis, {f32({2, 9, 65}, -20, 20), i64({2, 9}, 0, 64)}});

  for (const char* reduction : {"mean", "sum", "none"}) {
    const Attributes a{{"reduction", std::string(reduction)}};
    for (const Shape& shape : {Shape{7, 11}, Shape{2, 1, 6, 6}}) {
      t.push_back({"MeanSquaredError", a, {f32(shape), f32(shape)}});
      t.push_back({"BinaryCrossEntropy", a, {f32(shape, 0.05, 0.95), fixed(f32(shape, 0, 1))}});
      t.push_back(
          {"BinaryCrossEntropyWithLogits", a, {f32(shape, -8, 8), fixed(f32(shape, 0, 1))}});
    }
  }

  t.push_back({"CorrectCount", {{"axis", 1_i}}, {fixed(f32({40, 3})), i64({40}, 0, 2)}});
  t.push_back({"CorrectCount", {{"axis", 1_i}}, {fixed(f32({2, 3, 6})), i64({2, 6}, 0, 2)}});
  t.push_back({"CorrectCount",
               {{"axis", 2_i}, {"ignore_index", -1_i}},
               {fixed(f32({2, 9, 3})), sprinkled(i32({2, 9}, 0, 2), 4, -1)}});
}

void add_update_rows(Table& t) {
  const InputSpec p = fixed(f32({7, 11})), g = fixed(f32({7, 11})),
                  positive = fixed(f32({7, 11}, 0, 2));
  const StepContext first{.learning_rate = 0.1};
  const auto sgd = [](double momentum, int64_t nesterov, double weight_decay, double dampening) {
    return Attributes{{"momentum", momentum},
                      {"nesterov", nesterov},
                      {"weight_decay", weight_decay},
                      {"dampening", dampening}};
  };
  t.push_back({"SgdUpdate", sgd(0, 0, 0, 0), {p, g}});
  t.push_back({"SgdUpdate", sgd(0, 0, 0.01, 0), {p, g}});
  t.push_back({"SgdUpdate", sgd(0.9, 0, 0.01, 0.1), {p, g, p}});
  t.push_back({"SgdUpdate", sgd(0.9, 1, 0.01, 0), {p, g, p}});
  t.push_back({"SgdUpdate", sgd(0.9, 0, 0.01, 0.1), {p, g, p}, {0}, first});
  const auto adam = [](double weight_decay, int64_t decoupled) {
    return Attributes{{"beta1", 0.9},
                      {"beta2", 0.999},
                      {"epsilon", 1e-8},
                      {"weight_decay", weight_decay},
                      {"decoupled", decoupled}};
  };
  t.push_back({"AdamUpdate", adam(0, 0), {p, g, p, positive}});
  t.push_back({"AdamUpdate", adam(0.01, 0), {p, g, p, positive}});
  t.push_back({"AdamUpdate", adam(0.01, 1), {p, g, p, positive}});
  t.push_back({"AdamUpdate", adam(0.01, 1), {p, g, p, positive}, {0}, first});
  const auto lamb = [](double weight_decay) {
    return Attributes{
        {"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-6}, {"weight_decay", weight_decay}};
  };
  const InputSpec zero = fixed(f32({7, 11}, 0, 0)), wide = fixed(f32({40000})),
                  wide_positive = fixed(f32({40000}, 0, 2));
  t.push_back({"LambUpdate", lamb(0), {p, g, p, positive}});
  t.push_back({"LambUpdate", lamb(0.01), {p, g, p, positive}});
  t.push_back({"LambUpdate", lamb(0.01), {p, g, p, positive}, {0}, first});
  t.push_back({"LambUpdate", lamb(0.01), {zero, g, p, positive}});
  t.push_back({"LambUpdate", lamb(0.01), {wide, wide, wide, wide_positive}});
  const Attributes lion{{"beta1", 0.9}, {"beta2", 0.99}, {"weight_decay", 0.01}};
  t.push_back({"LionUpdate", lion, {p, g, p}});
  t.push_back({"LionUpdate", lion, {p, zero, zero}, {0}, first});
  const auto rmsprop = [](double momentum, double weight_decay) {
    return Attributes{
        {"beta2", 0.99}, {"epsilon", 1e-8}, {"momentum", momentum}, {"weight_decay", weight_decay}};
  };
  t.push_back({"RmspropUpdate", rmsprop(0, 0.01), {p, g, positive}});
  t.push_back({"RmspropUpdate", rmsprop(0.9, 0), {p, g, positive, p}});
  t.push_back({"AdagradUpdate", {{"epsilon", 1e-10}, {"weight_decay", 0.0}}, {p, g, positive}});
  t.push_back({"AdagradUpdate", {{"epsilon", 1e-10}, {"weight_decay", 0.01}}, {p, g, positive}});
  t.push_back({"SquaredNorm", {}, {p}});
  t.push_back({"SquaredNorm", {}, {fixed(f32({5000}))}});
}

}  // namespace headrace
