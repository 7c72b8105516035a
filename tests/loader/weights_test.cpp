#include <gmock/gmock.h>
#include <onnx/checker.h>

#include <algorithm>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Role role_of(const Model& model, const std::string& name) {
  const auto id = model.forward.graph.find(name);
  return id ? model.forward.graph.value(*id).role : Role::input;
}

TEST(Weights, InitializersConstantNodesAndIdentitiesAreTrained) {
  const Model model = load_text(R"(g (float[2,2] x) => (float[2,2] y)
<float[2,2] w = {1,0,0,1}, float[2] b = {1,2}, float half = {0.5}>
{ c = Constant<value = float[2] {3,4}>() i = Identity(b)
  t = MatMul(x, w) u = Add(t, c) v = Add(u, i) y = Mul(v, half) })");
  EXPECT_THAT(weight_names(model), ElementsAre("w", "c", "i"));
  EXPECT_EQ(role_of(model, "half"), Role::constant);
}

TEST(Weights, WhatReachesNoFloatOutputIsNotTrained) {
  const Model model = load_text(R"(g (float[2,2] x) => (float[2,2] y)
<float[2,2] keep = {1,0,1,1}, float zero = {0}, float low = {-100}, float[2,2] w = {1,2,3,4}>
{ c = Equal(keep, zero) t = MatMul(x, w) y = Where(c, low, t) })");
  EXPECT_THAT(weight_names(model), ElementsAre("w"));
}

TEST(Weights, MasksAndScalarsAreNotTrained) {
  auto proto = parse_onnx(R"(g (float[2,2] x) => (float[2,2] y)
<float[2,2] mask = {0,0,0,0}, float[1] val_7 = {0.5}, float[1] gain = {2}>
{ t = Add(x, mask) u = Mul(t, val_7) y = Mul(u, gain) })");
  auto& mask = *proto.mutable_graph()->mutable_initializer(0);
  mask.set_float_data(1, -std::numeric_limits<float>::infinity());
  EXPECT_THAT(weight_names(load_onnx(proto)), ElementsAre("gain"));
  mask.set_float_data(1, std::numeric_limits<float>::lowest());
  EXPECT_THAT(weight_names(load_onnx(proto)), ElementsAre("gain"));
}

TEST(Weights, InitializersThatAreInputsTooAreWeights) {
  const Model model = load_onnx(parse_onnx(R"(g (float[2,2] x, float[2,2] w) => (float[2,2] y)
<float[2,2] w = {1,2,3,4}> { y = MatMul(x, w) })",
                                           7, 3));
  EXPECT_THAT(weight_names(model), ElementsAre("w"));
  EXPECT_EQ(model.forward.graph.inputs.size(), 1U);
}

TEST(Weights, FreezePatterns) {
  LoadOptions options = folding();
  options.freeze = {"enc_*", "?"};
  const Model model = load_text(R"(g (float[2,2] x) => (float[2,2] y)
<float[2,2] enc_w = {1,2,3,4}, float[2] b = {1,2}, float[2,2] head = {1,2,3,4}>
{ t = MatMul(x, enc_w) u = Add(t, b) y = MatMul(u, head) })",
                                18, options);
  EXPECT_THAT(weight_names(model), ElementsAre("head"));
  EXPECT_EQ(role_of(model, "enc_w"), Role::constant);
}

TEST(Weights, AConstantOfShapeAtTheirPlaceIsOne) {
  const Model model = load_text(R"(g (float[2,2] x) => (float[2,3] y)
<int64[2] shape = {2,3}, int64[1] three = {3}>
{ w = ConstantOfShape<value = float[1] {0.5}>(shape) b = ConstantOfShape(three)
  t = Gemm(x, w, b) c = ConstantOfShape<value = float[1] {2.0}>(three) y = Mul(t, c) })");
  EXPECT_THAT(weight_names(model), ElementsAre("w", "b"));
  EXPECT_THAT(run(model, {counting({2, 2})})[0], ElementsAre(1, 1, 1, 5, 5, 5));
}

TEST(Weights, InitialStatesMadeByTheModelAreNone) {
  const Model model = load_text(R"(g (float[2,1,1] x) => (float[2,1,1,1] y)
<float[1,1,1] w = {1}, float[1,1,1] r = {1}, int64[3] shape = {1,1,1}>
{ h = ConstantOfShape(shape) y = RNN<hidden_size = 1>(x, w, r, , , h) })");
  EXPECT_THAT(weight_names(model), ElementsAre("w", "r"));
}

TEST(Weights, ZerosThatAnExporterWroteForTheFirstStateAreNone) {
  const auto body = [](const std::string& name) {
    return "g (float[2,1,1] x) => (float[2,1,1,1] y) <float[1,1,1] w = {1}, float[1,1,1] r = {1}, "
           "float[1,1] " +
           name + " = {0}, int64[1] first = {0}> { h = Unsqueeze(" + name +
           ", first) y = RNN<hidden_size = 1>(x, w, r, , , h) }";
  };
  EXPECT_THAT(weight_names(load_text(body("val_3"))), ElementsAre("w", "r"));
  EXPECT_THAT(weight_names(load_text(body("start"))), ElementsAre("start", "w", "r"));
}

TEST(Untie, PartsOfOneBiasStayTogether) {
  const Model model = load_text(R"(g (float[2,2] x) => (float[2,2] y)
<float[4] b = {1,2,3,4}, int64[1] zero = {0}, int64[1] two = {2}, int64[1] four = {4}>
{ first = Slice(b, zero, two) second = Slice(b, two, four) a = Add(x, first) y = Mul(a, second) })");
  EXPECT_THAT(weight_names(model), ElementsAre("b"));
}

// The text gives halves by their bits: w is 1 2 3 4, b is 1 2.
const std::string kHalf = R"(g (float16[2,2] x) => (float16[2,2] y)
<float16[2,2] w = {15360, 16384, 16896, 17408}, float16[2] b = {15360, 16384}>
{ c = Cast<to = 1>(b) t = MatMul(x, w) u = Cast<to = 1>(t) v = Add(u, c) y = Cast<to = 10>(v) })";

TEST(Weights, HalfPrecisionIsTrainedInSingle) {
  const Model model = load_text(kHalf);
  EXPECT_THAT(operators(model), ElementsAre("MatMul", "Add"));
  const Graph& graph = model.forward.graph;
  EXPECT_THAT(weight_names(model), ElementsAre("w", "b"));
  for (const ValueId id : {graph.inputs[0], graph.outputs[0], model.weights[0].value})
    EXPECT_EQ(graph.value(id).type.dtype, DType::f32);
  EXPECT_THAT(model.notes, ElementsAre(HasSubstr("2 tensors of type f16")));
}

TEST(Weights, HalfPrecisionStaysAtTheBorderOfARun) {
  LoadOptions options = folding();
  options.training = false;
  const Model model = load_text(kHalf, 18, options);
  const Graph& graph = model.forward.graph;
  EXPECT_EQ(graph.value(graph.inputs[0]).type.dtype, DType::f16);
  EXPECT_EQ(graph.value(graph.outputs[0]).type.dtype, DType::f16);
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
  EXPECT_THAT(operators(model), ElementsAre("Cast", "MatMul", "Add", "Cast"));
}

TEST(Weights, DoublesAreTrainedInSingleAndRunAsTheyAre) {
  const std::string body = R"(g (double[2,2] x) => (double[2,2] y)
<double[2,2] w = {1,2,3,4}> { y = MatMul(x, w) })";
  const Model model = load_text(body);
  EXPECT_EQ(model.forward.graph.value(model.weights.at(0).value).type.dtype, DType::f32);
  LoadOptions options = folding();
  options.training = false;
  const Model forward = load_text(body, 18, options);
  EXPECT_EQ(forward.forward.graph.value(forward.forward.graph.outputs[0]).type.dtype, DType::f64);
}

const std::string kShared = R"(g (float[2,4] x) => (float[2,4] y)
<float[4] s = {1,1,1,1}, float[4] b = {0,0,0,0}, float[4,4] w = {1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1}>
{ a = LayerNormalization(x, s, b) c = MatMul(a, w) d = LayerNormalization(c, s, b)
  e = MatMul(d, w) f = LayerNormalization(e, s, b) y = Add(f, b) })";

TEST(Untie, AutoSeparatesScalesAndBiasesAndKeepsMatrices) {
  const Model model = load_text(kShared);
  EXPECT_THAT(weight_names(model), ElementsAre("s", "b", "w", "s@d", "b@d", "s@f", "b@f", "b@y"));
  EXPECT_THAT(model.notes,
              Contains("3 LayerNormalization nodes shared s: each trains its own copy"));
  EXPECT_THAT(model.notes, Contains("2 MatMul nodes share w and stay tied"));
}

TEST(Untie, NoneAndGlobs) {
  LoadOptions options = folding();
  options.untie = "none";
  EXPECT_THAT(weight_names(load_text(kShared, 18, options)), ElementsAre("s", "b", "w"));
  options.untie = "w, nothing*";
  EXPECT_THAT(weight_names(load_text(kShared, 18, options)), ElementsAre("s", "b", "w", "w@e"));
}

TEST(Untie, NamesCopiesAfterTheModuleOfTheirNode) {
  auto proto = parse_onnx(kShared);
  auto& property = *proto.mutable_graph()->mutable_node(2)->add_metadata_props();
  property.set_key("pkg.torch.onnx.name_scopes");
  property.set_value("['', 'blocks.1', 'blocks.1.ln', 'layer_norm']");
  proto.mutable_graph()->mutable_initializer(0)->set_name("blocks.0.ln.weight");
  for (auto& node : *proto.mutable_graph()->mutable_node())
    for (auto& input : *node.mutable_input())
      if (input == "s") input = "blocks.0.ln.weight";
  EXPECT_THAT(weight_names(load_onnx(proto)),
              ElementsAre("blocks.0.ln.weight", "b", "w", "blocks.1.ln.weight", "blocks.1.ln.b",
                          "blocks.0.ln.weight@f", "b@f", "b@y"));
}

TEST(Untie, FreezesByTheNameOfTheCopy) {
  LoadOptions options = folding();
  options.freeze = {"s", "b@d"};
  const TemporaryFolder folder;
  write_onnx(parse_onnx(kShared), folder / "in.onnx");
  const Model model = load_model(folder / "in.onnx", options);
  EXPECT_THAT(weight_names(model), ElementsAre("b", "w", "s@d", "s@f", "b@f", "b@y"));
  EXPECT_EQ(role_of(model, "s"), Role::constant);
  EXPECT_EQ(role_of(model, "b@d"), Role::constant);
  // Written back, the frozen copy does not follow the tensor that it was copied from.
  save_model(model, folder / "out.onnx", {{"b", floats({4}, {9, 9, 9, 9})}});
  const Model saved = load_model(folder / "out.onnx", folding());
  const Graph& graph = saved.forward.graph;
  EXPECT_THAT(graph.value(*graph.find("b@d")).data.as<float>(), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(graph.value(*graph.find("b")).data.as<float>(), ElementsAre(9, 9, 9, 9));
}

TEST(Weights, TensorsOfOneNameInTwoBranches) {
  const Model model = load_text(R"(g (float[2] x) => (float[2] y) <bool yes = {1}>
{ a = If(yes) < then_branch = p () => (float[2] o) <float[2] w = {2,2}> { o = Mul(x, w) },
                else_branch = q () => (float[2] r) { r = Neg(x) }>
  y = If(yes) < then_branch = s () => (float[2] t) <float[2] w = {3,3}> { t = Mul(a, w) },
                else_branch = u () => (float[2] v) { v = Neg(a) }> })");
  EXPECT_THAT(weight_names(model), ElementsAre("w", "w@t"));
  EXPECT_THAT(run(model, {counting({2})})[0], ElementsAre(0, 6));
}

// Weights as the graph holds them, each moved by its place in the list.
std::map<std::string, HostTensor> moved_weights(const Model& model) {
  std::map<std::string, HostTensor> weights;
  float step = 1;
  for (const Weight& weight : model.weights) {
    const HostTensor& data = model.forward.graph.value(weight.value).data;
    std::vector<float> values(data.as<float>().begin(), data.as<float>().end());
    for (float& value : values) value += step / 8;
    weights[weight.name] = make_host_tensor<float>(data.type.shape, values);
    step += 1;
  }
  return weights;
}

// The graph with those weights and the graph of the file that was saved compute the same.
void expect_round_trip(const onnx::ModelProto& proto, const std::vector<HostTensor>& inputs,
                       bool external, const LoadOptions& options = folding()) {
  const TemporaryFolder folder;
  write_onnx(proto, folder / "in.onnx");
  Model model = load_model(folder / "in.onnx", options);
  const auto weights = moved_weights(model);
  const std::string out = folder / "out.onnx";
  save_model(model, out, weights, external);
  onnx::checker::check_model(out, /*full_check=*/true);
  for (const Weight& weight : model.weights)
    model.forward.graph.value(weight.value).data = weights.at(weight.name);
  const Model saved = load_model(out, options);
  EXPECT_EQ(run(model, inputs), run(saved, inputs));
  EXPECT_EQ(weight_names(saved).size(), weights.size());
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    files.push_back(entry.path().filename());
  EXPECT_EQ(files.size(), external ? 3U : 2U) << "a temporary file was left";
}

TEST(Save, WritesCopiesAsInitializersOfTheirOwn) {
  expect_round_trip(parse_onnx(kShared), {counting({2, 4})}, false);
  expect_round_trip(parse_onnx(kShared), {counting({2, 4})}, true);
}

TEST(Save, WritesThroughIdentitiesConstantNodesAndBranches) {
  const auto proto = parse_onnx(R"(g (float[2,4] x) => (float[2,4] y)
<float[4] s = {1,2,1,2}, bool yes = {1}>
{ s2 = Identity(s) c = Constant<value = float[4] {3,4,5,6}>() a = Add(x, s2) b = Mul(a, s)
  d = Add(b, c) y = If(yes) <
    then_branch = then () => (float[2,4] o) <float[4] inner = {1,2,3,4}> { p = Mul(d, inner) o = Add(p, s) },
    else_branch = other () => (float[2,4] q) { q = Neg(d) }> })");
  EXPECT_THAT(weight_names(load_onnx(proto)), ElementsAre("s2", "s", "c", "inner", "s@o"));
  expect_round_trip(proto, {counting({2, 4})}, false);
}

TEST(Save, WritesHalfPrecisionBackAsSuch) {
  const TemporaryFolder folder;
  write_onnx(parse_onnx(kHalf), folder / "in.onnx");
  const Model model = load_model(folder / "in.onnx", folding());
  save_model(model, folder / "out.onnx", moved_weights(model));
  const auto written = read_onnx(folder / "out.onnx");
  for (const auto& tensor : written.graph().initializer())
    EXPECT_EQ(tensor.data_type(), onnx::TensorProto::FLOAT16) << tensor.name();
  const Model saved = load_model(folder / "out.onnx", folding());
  EXPECT_THAT(saved.forward.graph.value(saved.weights.at(0).value).data.as<float>(),
              ElementsAre(1.125, 2.125, 3.125, 4.125));
}

TEST(Save, WritesIntoLoopsAndIntoNodesThatMakeTheirWeights) {
  const auto proto = parse_onnx(R"(g (float[2,2] x) => (float[2,2] y)
<int64[2] shape = {2,2}, int64 m = {3}, bool go = {1}>
{ w = ConstantOfShape<value = float[1] {0.5}>(shape) f = Constant<value_floats = [1.0, 2.0]>()
  a = MatMul(x, w) b = Add(a, f)
  y = Loop(m, go, b) <body = step (int64 i, bool c, float[2,2] h) => (bool d, float[2,2] k)
    <float[2,2] inner = {1, 2, 3, 4}> { d = Identity(c) p = MatMul(h, inner) k = Tanh(p) }> })");
  EXPECT_THAT(weight_names(load_onnx(proto)), ElementsAre("w", "f", "inner"));
  expect_round_trip(proto, {counting({2, 2})}, false);
  expect_round_trip(proto, {counting({2, 2})}, true);
}

TEST(Save, SparseWeightsBecomeDense) {
  auto proto = parse_onnx("g (float[2,2] x) => (float[2,2] y) { y = MatMul(x, w) }");
  auto& sparse = *proto.mutable_graph()->add_sparse_initializer();
  sparse.mutable_values()->set_name("w");
  sparse.mutable_values()->set_data_type(onnx::TensorProto::FLOAT);
  sparse.mutable_values()->add_dims(2);
  for (const float value : {3.0F, 5.0F}) sparse.mutable_values()->add_float_data(value);
  sparse.mutable_indices()->set_data_type(onnx::TensorProto::INT64);
  sparse.mutable_indices()->add_dims(2);
  for (const int64_t index : {1, 2}) sparse.mutable_indices()->add_int64_data(index);
  for (int i = 0; i < 2; ++i) sparse.add_dims(2);
  const Model model = load_onnx(proto);
  EXPECT_THAT(model.forward.graph.value(model.weights.at(0).value).data.as<float>(),
              ElementsAre(0, 3, 5, 0));
  expect_round_trip(proto, {counting({2, 2})}, false);
  sparse.mutable_indices()->set_int64_data(1, 4);
  EXPECT_THAT(message_of<Error>([&] { load_onnx(proto); }), HasSubstr("out of range"));
}

TEST(Save, ModelsOfIrVersion3KeepTheirWeightsAmongTheInputs) {
  const auto proto = parse_onnx(R"(g (float[2,4] x, float[4] s) => (float[2,4] y)
<float[4] s = {1,1,1,1}> { a = Mul(x, s) y = Add(a, s) })",
                                7, 3);
  expect_round_trip(proto, {counting({2, 4})}, false);
}

TEST(Save, LeavesTheRestOfTheFileUntouched) {
  const TemporaryFolder folder;
  auto proto = parse_onnx(kShared);
  proto.set_doc_string("a note");
  proto.set_producer_name("somebody");
  write_onnx(proto, folder / "in.onnx");
  LoadOptions options = folding();
  options.untie = "none";
  const Model model = load_model(folder / "in.onnx", options);
  const auto s = model.forward.graph.value(model.weights[0].value).data;
  save_model(model, folder / "out.onnx", {{"s", s}});
  auto saved = read_onnx(folder / "out.onnx");
  auto& weight = *saved.mutable_graph()->mutable_initializer(0);
  EXPECT_EQ(weight.raw_data().size(), 16U);
  *weight.mutable_raw_data() = "";
  weight.clear_raw_data();
  *weight.mutable_float_data() = proto.graph().initializer(0).float_data();
  EXPECT_EQ(saved.SerializeAsString(), proto.SerializeAsString());
}

TEST(Save, RefusesUnknownWeightsAndOtherShapes) {
  const TemporaryFolder folder;
  write_onnx(parse_onnx(kShared), folder / "in.onnx");
  const Model model = load_model(folder / "in.onnx", folding());
  EXPECT_THAT(message_of<Error>([&] {
                save_model(model, folder / "out.onnx", {{"nobody", floats({1}, {1})}});
              }),
              HasSubstr("no weight 'nobody'"));
  EXPECT_THAT(message_of<Error>([&] {
                save_model(model, folder / "out.onnx", {{"s", floats({1}, {1})}});
              }),
              HasSubstr("weight 's' is f32[4] in the model, not f32[1]"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out.onnx"));
}

TEST(Save, WeightsPassedIntoLocalFunctions) {
  const char* text = R"(<ir_version: 8, opset_import: ["" : 18, "local" : 1]>
g (float[2,4] x) => (float[2,4] y) <float[4] s = {1,2,3,4}> { a = local.Scale(x, s) y = local.Scale(a, s) }
<domain: "local", opset_import: ["" : 18]> Scale (a, b) => (c) { c = Mul(a, b) })";
  onnx::ModelProto proto;
  ASSERT_TRUE(onnx::OnnxParser(text).Parse(proto).IsOK());
  expect_round_trip(proto, {counting({2, 4})}, false);
}

const std::string kBatchNorm = R"(g (float[4,2] x) => (float[4,2] y)
<float[2] s = {1,1}, float[2] b = {0,0}, float[2] m = {0,0}, float[2] v = {1,1}>
{ a = BatchNormalization(x, s, b, m, v) y = BatchNormalization(a, s, b, m, v) })";

TEST(State, RunningStatisticsAreLiveAgainInTraining) {
  const Model model = load_text(kBatchNorm);
  EXPECT_THAT(operators(model), ElementsAre("BatchNormalization", "BatchNormalization"));
  EXPECT_EQ(model.forward.state_updates.size(), 4U);
  EXPECT_EQ(role_of(model, "m"), Role::state);
  EXPECT_THAT(weight_names(model), ElementsAre("m", "v", "s", "b", "m@y", "v@y", "s@y", "b@y"));
}

TEST(State, SharedStatisticsAreUpdatedOneAfterTheOther) {
  LoadOptions options = folding();
  options.untie = "none";
  const Model model = load_text(kBatchNorm, 18, options);
  ASSERT_EQ(model.forward.state_updates.size(), 2U);
  const Graph& graph = model.forward.graph;
  const Node& first = graph.nodes()[0];
  const Node& second = graph.nodes()[1];
  EXPECT_EQ(second.inputs[3], first.outputs[3]);
  EXPECT_EQ(model.forward.state_updates[0].replacement, second.outputs[3]);
}

TEST(State, StaysAsExportedWhenFrozenOrNotTraining) {
  LoadOptions options = folding();
  options.training = false;
  EXPECT_THAT(operators(load_text(kBatchNorm, 18, options)),
              ElementsAre("BatchNormalizationInference", "BatchNormalizationInference"));
  options.training = true;
  options.freeze = {"m", "v"};
  const Model model = load_text(kBatchNorm, 18, options);
  EXPECT_THAT(operators(model),
              ElementsAre("BatchNormalizationInference", "BatchNormalizationInference"));
  EXPECT_THAT(model.forward.state_updates, IsEmpty());
}

}  // namespace
}  // namespace headrace
