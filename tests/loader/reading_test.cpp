#include <gmock/gmock.h>

#include <random>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string kLinear = R"(g (float[2,3] x) => (float[2,2] y)
<float[3,2] w = {1,2,3,4,5,6}> { y = MatMul(x, w) })";

std::string reading_refusal(const std::string& path, const LoadOptions& options = folding()) {
  return message_of<Error>([&] { load_model(path, options); });
}

// One line that begins with the file's name.
auto one_line_about(const std::string& path) {
  return AllOf(HasSubstr(path), Not(HasSubstr("\n")));
}

TEST(Reading, MissingEmptyAndForeignFiles) {
  const TemporaryFolder folder;
  EXPECT_THAT(reading_refusal(folder / "none.onnx"),
              AllOf(one_line_about("none.onnx"), HasSubstr("No such file")));
  EXPECT_THAT(reading_refusal(folder.path()), HasSubstr("not a regular file"));
  EXPECT_THAT(reading_refusal(folder.write("empty.onnx", "")),
              AllOf(one_line_about("empty.onnx"), HasSubstr("empty")));
  EXPECT_THAT(reading_refusal(folder.write("text.onnx", "this is a recipe for pancakes\n")),
              one_line_about("text.onnx"));
}

TEST(Reading, EveryTruncationIsOneError) {
  const TemporaryFolder folder;
  std::string whole;
  parse_onnx(kLinear).SerializeToString(&whole);
  for (size_t size = 1; size < whole.size(); ++size) {
    const std::string path = folder.write("cut.onnx", whole.substr(0, size));
    // What is left may lack only the operator set or the outputs' shapes and still be a model.
    try {
      load_model(path, folding());
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("cut.onnx")) << "cut after " << size;
    }
  }
}

TEST(Reading, RandomBytesAndChangedBytesNeverDoMoreThanThrow) {
  const TemporaryFolder folder;
  std::mt19937 random(1);
  std::string noise(300, '\0');
  for (int round = 0; round < 200; ++round) {
    for (char& c : noise) c = static_cast<char>(random());
    EXPECT_THAT(reading_refusal(folder.write("noise.onnx", noise)), one_line_about("noise.onnx"));
  }
  std::string whole;
  parse_onnx(kLinear).SerializeToString(&whole);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (random() % 8)));
    const std::string path = folder.write("changed.onnx", changed);
    try {
      load_model(path, folding());
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("changed.onnx")) << "byte " << at;
    }
  }
}

TEST(Reading, OpsetsBeforeTheSeventhAreConverted) {
  const std::string text = R"(g (float[2,2,3] x) => (float[2,2,3] y)
<float[2] b = {10, 20}, float[2] slope = {0.5, 2}>
{ sum = Add<axis = 0, broadcast = 1>(x, b) y = PRelu(sum, slope) })";
  const Model model = load_onnx(parse_onnx(text, 6, 4));
  EXPECT_THAT(model.notes, Contains(HasSubstr("converted from opset 6 to 7")));
  EXPECT_THAT(run(model, {floats({2, 2, 3}, {-12, 0, 1, -21, 0, 1, -12, 0, 1, -21, 0, 1})})[0],
              ElementsAre(-1, 10, 11, -22, 10, 11, 8, 20, 21, -2, 20, 21));

  const TemporaryFolder folder;
  auto along_the_second = parse_onnx(text, 6, 4);
  along_the_second.mutable_graph()->mutable_node(0)->mutable_attribute(0)->set_i(1);
  write_onnx(along_the_second, folder / "m.onnx");
  EXPECT_THAT(reading_refusal(folder / "m.onnx"),
              HasSubstr("opset 6 is older than 7 and cannot be converted: node 'sum' (Add) "
                        "broadcasts along axis 1"));
}

TEST(Reading, VersionsOutsideOfTheRange) {
  const TemporaryFolder folder;
  const std::string path = folder / "m.onnx";
  auto model = parse_onnx(kLinear);
  model.mutable_opset_import(0)->set_version(-1);
  write_onnx(model, path);
  EXPECT_THAT(reading_refusal(path), HasSubstr("opset -1 is outside of the known 1..28"));
  model.mutable_opset_import(0)->set_version(29);
  write_onnx(model, path);
  EXPECT_THAT(reading_refusal(path), HasSubstr("opset 29"));
  model.mutable_opset_import(0)->set_version(18);
  model.set_ir_version(99);
  write_onnx(model, path);
  EXPECT_THAT(reading_refusal(path), HasSubstr("IR version 99"));
}

TEST(Reading, CyclesAndUnknownValuesAreTheCheckersErrors) {
  const TemporaryFolder folder;
  const std::string path = folder / "m.onnx";
  write_onnx(parse_onnx("g (float[2] x) => (float[2] y) { a = Add(x, b) b = Relu(a) y = Neg(b) }"),
             path);
  EXPECT_THAT(reading_refusal(path),
              AllOf(one_line_about("m.onnx"), HasSubstr("topologically sorted")));
}

TEST(Reading, DimensionsThatDoNotMatchTheBytes) {
  const TemporaryFolder folder;
  const std::string path = folder / "m.onnx";
  auto model = parse_onnx(kLinear);
  auto& weight = *model.mutable_graph()->mutable_initializer(0);
  weight.set_dims(0, int64_t{1} << 40);
  weight.set_dims(1, int64_t{1} << 40);
  write_onnx(model, path);
  EXPECT_THAT(reading_refusal(path), one_line_about("m.onnx"));
  weight.set_dims(0, 3);
  weight.set_dims(1, 3);
  write_onnx(model, path);
  EXPECT_THAT(reading_refusal(path), one_line_about("m.onnx"));
  weight.clear_float_data();
  weight.set_raw_data(std::string(40, 'x'));  // 36 are needed
  write_onnx(model, path);
  EXPECT_THAT(reading_refusal(path),
              AllOf(HasSubstr("'w'"), HasSubstr("36 bytes"), HasSubstr("40")));
}

class ExternalTest : public testing::Test {
 protected:
  // kLinear with its weight in a file.
  std::string model_with(const std::string& location, const std::string& offset = "0",
                         const std::string& length = "24") {
    auto model = parse_onnx(kLinear);
    auto& weight = *model.mutable_graph()->mutable_initializer(0);
    weight.clear_float_data();
    weight.set_data_location(onnx::TensorProto::EXTERNAL);
    const auto entry = [&](const char* key, const std::string& value) {
      auto& item = *weight.add_external_data();
      item.set_key(key);
      item.set_value(value);
    };
    entry("location", location);
    entry("offset", offset);
    entry("length", length);
    const std::string path = folder_ / "sub/m.onnx";
    write_onnx(model, path);
    return path;
  }

  void SetUp() override {
    std::filesystem::create_directory(folder_ / "sub");
    const std::vector<float> values = {9, 1, 2, 3, 4, 5, 6};
    const std::string bytes(reinterpret_cast<const char*>(values.data()), 28);
    folder_.write("sub/w.bin", bytes);
    folder_.write("outside.bin", bytes);
  }

  TemporaryFolder folder_;
};

TEST_F(ExternalTest, IsReadInPlaceAtAnyOffset) {
  const Model aligned = load_model(model_with("w.bin", "4"), folding());
  EXPECT_THAT(run(aligned, {floats({2, 3}, {1, 0, 0, 0, 0, 1})})[0], ElementsAre(1, 2, 5, 6));
  std::string shifted = read_whole(folder_ / "sub/w.bin");
  folder_.write("sub/odd.bin", "x" + shifted.substr(4));
  const Model odd = load_model(model_with("odd.bin", "1"), folding());
  EXPECT_THAT(run(odd, {floats({2, 3}, {1, 0, 0, 0, 0, 1})})[0], ElementsAre(1, 2, 5, 6));
}

TEST_F(ExternalTest, BytesOutsideOfTheFile) {
  EXPECT_THAT(reading_refusal(model_with("w.bin", "8")),
              HasSubstr("24 bytes from 8 on lie outside"));
  EXPECT_THAT(reading_refusal(model_with("w.bin", "9223372036854775800")),
              HasSubstr("lie outside"));
  EXPECT_THAT(reading_refusal(model_with("w.bin", "0", "28")), HasSubstr("needs 24 bytes"));
  EXPECT_THAT(reading_refusal(model_with("w.bin", "-4")), HasSubstr("not a byte count"));
  EXPECT_THAT(reading_refusal(model_with("absent.bin")), HasSubstr("No such file"));
}

TEST_F(ExternalTest, PathsThatLeaveTheModelsFolderAreRefused) {
  EXPECT_THAT(reading_refusal(model_with("../outside.bin")),
              HasSubstr("outside the model's folder"));
  EXPECT_THAT(reading_refusal(model_with("x/../../outside.bin")),
              HasSubstr("outside the model's folder"));
  EXPECT_THAT(reading_refusal(model_with(folder_ / "outside.bin")), HasSubstr("relative"));
  std::filesystem::create_symlink(folder_ / "outside.bin", folder_ / "sub/link.bin");
  EXPECT_THAT(reading_refusal(model_with("link.bin")), HasSubstr("outside the model's folder"));
  std::filesystem::create_symlink(folder_.path(), folder_ / "sub/up");
  EXPECT_THAT(reading_refusal(model_with("up/outside.bin")),
              HasSubstr("outside the model's folder"));
  std::filesystem::create_symlink("w.bin", folder_ / "sub/inside.bin");
  EXPECT_EQ(reading_refusal(model_with("inside.bin")), "");
}

TEST(Reading, LocalFunctionsAreExpanded) {
  const char* text = R"(<ir_version: 8, opset_import: ["" : 18, "local" : 1]>
g (float[2,3] x) => (float[2,2] y) <float[3,2] w = {1,2,3,4,5,6}> { y = local.Twice(x, w) }
<domain: "local", opset_import: ["" : 18]> Twice (a, b) => (c) { t = MatMul(a, b) c = Add(t, t) })";
  onnx::ModelProto proto;
  ASSERT_TRUE(onnx::OnnxParser(text).Parse(proto).IsOK());
  const Model model = load_onnx(proto);
  EXPECT_THAT(operators(model), ElementsAre("MatMul", "Add"));
  EXPECT_THAT(weight_names(model), ElementsAre("w"));
  EXPECT_THAT(run(model, {floats({2, 3}, {1, 0, 0, 0, 0, 1})})[0], ElementsAre(2, 4, 10, 12));
}

TEST(Reading, ListsEveryNodeThatIsNotSupported) {
  const TemporaryFolder folder;
  const std::string path = folder / "m.onnx";
  auto proto = parse_onnx(R"(g (float[4] x) => (float[k] y, float[4] z)
{ a = Unique(x) y = Neg(a) b = custom.Op(x) z = Relu(b) })");
  auto& import = *proto.add_opset_import();
  import.set_domain("custom");
  import.set_version(1);
  proto.mutable_graph()->mutable_node(0)->set_name("distinct");
  auto& shape = *proto.mutable_graph()
                     ->mutable_output(0)
                     ->mutable_type()
                     ->mutable_tensor_type()
                     ->mutable_shape();
  shape.mutable_dim(0)->set_dim_param("k");
  write_onnx(proto, path);
  const std::string text = reading_refusal(path);
  EXPECT_THAT(text, HasSubstr("2 of its nodes cannot be used"));
  EXPECT_THAT(
      text,
      HasSubstr("ai.onnx::Unique 'distinct': its input (input 0, 'x') is computed from data"));
  EXPECT_THAT(text, HasSubstr("custom::Op 'b': 'custom' is not a domain of ONNX"));
}

TEST(Reading, ShapesThatComeFromDataAreRefusedByName) {
  EXPECT_THAT(message_of<Error>([] {
                load_text("g (float[4] x, int64[1] s) => (float[d] y) { y = Reshape(x, s) }");
              }),
              AllOf(HasSubstr("its shape (input 1, 's')"), HasSubstr("before the run")));
}

}  // namespace
}  // namespace headrace
