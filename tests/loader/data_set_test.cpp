#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <bit>
#include <cmath>
#include <limits>

#include "graph/error.h"
#include "graph/host_tensor.h"
#include "loader/data/convert.h"
#include "loader/data/dataset.h"
#include "loader/data/float16.h"
#include "loader/npz.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

template <typename T>
std::vector<T> values_of(const Dataset& data, size_t field, std::vector<int64_t> samples) {
  std::vector<T> values(samples.size() *
                        static_cast<size_t>(data.fields()[field].sample.elements()));
  data.read(samples, field, values.data());
  return values;
}

std::unique_ptr<Dataset> open(const std::string& path, std::vector<Field> inputs,
                              std::vector<Field> targets) {
  return open_dataset(path, inputs, targets);
}

std::string data_refusal(const std::string& path, std::vector<Field> inputs,
                         std::vector<Field> targets) {
  return message_of<Error>([&] { open_dataset(path, inputs, targets); });
}

Field field(std::string name, DType dtype, Shape shape) {
  return {std::move(name), {dtype, std::move(shape)}};
}

// --- conversions ---------------------------------------------------------------------------------

TEST(Float16, EveryHalfSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits <= UINT16_MAX; ++bits) {
    const Float16 half{static_cast<uint16_t>(bits)};
    const float wide = to_float(half);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(to_float(to_float16(wide)))) << bits;
    } else {
      EXPECT_EQ(to_float16(wide).bits, bits);
    }
  }
}

TEST(Float16, RoundsToNearestEven) {
  // Between each two neighbouring halves: the middle goes to the even one, past it to the nearer.
  for (uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = to_float(Float16{bits});
    const float high = to_float(Float16{static_cast<uint16_t>(bits + 1)});
    const float middle = (low + high) / 2;
    const uint16_t even = bits % 2 == 0 ? bits : bits + 1;
    EXPECT_EQ(to_float16(middle).bits, even);
    EXPECT_EQ(to_float16(std::nextafter(middle, high)).bits, bits + 1);
    EXPECT_EQ(to_float16(std::nextafter(-middle, 0.0F)).bits, 0x8000 | bits);
  }
  EXPECT_EQ(to_float16(65519.99F).bits, 0x7bff);
  EXPECT_EQ(to_float16(65520).bits, 0x7c00);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f808000)).bits, 0x3f80);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f818000)).bits, 0x3f82);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f808001)).bits, 0x3f81);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0x7f800001)))));
}

TEST(Conversion, NarrowsOnlyWhatFits) {
  const auto narrow = [](int64_t value) {
    int8_t result = 0;
    conversion(DType::i64, DType::i8, false)(reinterpret_cast<const std::byte*>(&value),
                                             reinterpret_cast<std::byte*>(&result), 1);
    return result;
  };
  EXPECT_EQ(narrow(-128), -128);
  EXPECT_THAT(message_of<Error>([&] { narrow(128); }), HasSubstr("the value 128 does not fit"));
  EXPECT_EQ(conversion(DType::f32, DType::i64, false), nullptr);
  EXPECT_EQ(conversion(DType::f16, DType::boolean, false), nullptr);
}

// --- arrays --------------------------------------------------------------------------------------

std::map<std::string, HostTensor> six_samples() {
  std::vector<uint8_t> pixels(6 * 4);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(10 * i);
  const std::vector<int32_t> labels = {3, 1, 4, 1, 5, 9};
  return {{"images", make_host_tensor<uint8_t>({6, 2, 2}, pixels)},
          {"labels", make_host_tensor<int32_t>({6, 1}, labels)}};
}

TEST(ArrayDataset, FindsAliasesScalesImagesAndWidensLabels) {
  const TemporaryFolder folder;
  write_npz(folder / "a.npz", six_samples());
  const auto data = open(folder / "a.npz", {field("pixels:0", DType::f32, {1, 2, 2})},
                         {field("class", DType::i64, {})});
  EXPECT_EQ(data->samples(), 6);
  EXPECT_THAT(values_of<float>(*data, 0, {5, 0}),
              ElementsAre(200 / 255.F, 210 / 255.F, 220 / 255.F, 230 / 255.F, 0, 10 / 255.F,
                          20 / 255.F, 30 / 255.F));
  EXPECT_THAT(values_of<int64_t>(*data, 1, {5, 4, 4}), ElementsAre(9, 5, 5));
  EXPECT_EQ(data->integer_range(1), (std::pair<int64_t, int64_t>{1, 9}));
  // Only inputs are images: a mask of zeros and ones stays what it is.
  const auto masks =
      open(folder / "a.npz", {field("labels", DType::i32, {})}, {field("images", DType::f32, {4})});
  EXPECT_THAT(values_of<float>(*masks, 1, {1}), ElementsAre(40, 50, 60, 70));
}

TEST(ArrayDataset, AFolderOfNpyFilesByFieldName) {
  const TemporaryFolder folder;
  const std::vector<double> x = {0.5, 1.5, 2.5, 3.5};
  const auto write = [&](const std::string& name, const HostTensor& tensor) {
    std::string content = make_npy_header(tensor.type);
    content.append(reinterpret_cast<const char*>(tensor.data.get()),
                   static_cast<size_t>(tensor.type.bytes()));
    folder.write(name, content);
  };
  write("input.1.npy", make_host_tensor<double>({2, 2}, x));
  write("mask.npy", make_host_tensor<bool>({2}, std::array{true, false}));
  const auto data =
      open(folder.path(), {field("input.1", DType::f32, {2}), field("mask", DType::f32, {1})}, {});
  EXPECT_THAT(values_of<float>(*data, 0, {1}), ElementsAre(2.5, 3.5));
  EXPECT_THAT(values_of<float>(*data, 1, {0, 1}), ElementsAre(1, 0));
  const auto half = open(folder.path(), {field("input.1", DType::bf16, {2})}, {});
  EXPECT_THAT(values_of<uint16_t>(*half, 0, {0}), ElementsAre(0x3f00, 0x3fc0));
}

TEST(ArrayDataset, EveryMismatchNamesFileFieldAndShapes) {
  const TemporaryFolder folder;
  auto arrays = six_samples();
  arrays["short"] = make_host_tensor<float>({5}, std::vector<float>(5));
  arrays["wide"] = make_host_tensor<float>({6, 3, 2, 2}, std::vector<float>(72));
  arrays["scalar"] = scalar_tensor(1.0F);
  const std::string path = folder / "a.npz";
  write_npz(path, arrays);
  const Field label = field("labels", DType::i64, {});
  EXPECT_THAT(
      data_refusal(path, {field("imagos", DType::f32, {4}), field("b", DType::f32, {})}, {label}),
      AllOf(HasSubstr("a.npz: no array named 'imagos' for a field f32[4]"),
            HasSubstr("did you mean 'images'")));
  EXPECT_THAT(data_refusal(path, {field("images", DType::f32, {5})}, {label}),
              AllOf(HasSubstr("a.npz: 'images': field 'images' expects f32[N, 5]"),
                    HasSubstr("found u8[6, 2, 2]")));
  // The same number of elements in another order of axes.
  EXPECT_THAT(data_refusal(path, {field("wide", DType::f32, {2, 2, 3})}, {label}),
              HasSubstr("expects f32[N, 2, 2, 3], found f32[6, 3, 2, 2]"));
  EXPECT_THAT(data_refusal(path, {field("short", DType::i64, {})}, {label}),
              HasSubstr("as integers"));
  EXPECT_THAT(
      data_refusal(path, {field("images", DType::f32, {4})}, {field("short", DType::f32, {})}),
      AllOf(HasSubstr("5 samples for field 'short'"), HasSubstr("6 for field 'images'")));
  EXPECT_THAT(data_refusal(path, {field("scalar", DType::f32, {})}, {label}),
              HasSubstr("found f32[]"));
  EXPECT_THAT(data_refusal(path, {field("images", DType::f32, {0})}, {label}), HasSubstr("empty"));
  const auto narrow = open(path, {field("images", DType::i8, {4})}, {label});
  EXPECT_THAT(message_of<Error>([&] { values_of<int8_t>(*narrow, 0, {5}); }),
              HasSubstr("a.npz: 'images': field 'images': the value 200 does not fit"));
  EXPECT_THAT(data_refusal(folder / "absent.npz", {label}, {}), HasSubstr("no such file"));
  EXPECT_THAT(data_refusal(folder.write("a.txt", "x"), {label}, {}), HasSubstr("not a known kind"));
  EXPECT_THAT(data_refusal(folder.path(), {label}, {}), HasSubstr("neither .npy files nor"));
}

// --- IDX -----------------------------------------------------------------------------------------

const std::string kImages("\0\0\x08\x03\0\0\0\x03\0\0\0\x01\0\0\0\x02\x00\x33\x66\x99\xcc\xff", 22);
const std::string kLabels("\0\0\x08\x01\0\0\0\x03\x07\x02\x01", 11);

std::string gzipped(const TemporaryFolder& folder, std::string_view name,
                    std::string_view content) {
  const std::string path = folder / name;
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
  return path;
}

const Field kPixels = field("x", DType::f32, {1, 1, 2});
const Field kClass = field("y", DType::i64, {});

void expect_three_samples(const std::string& path) {
  const auto data = open(path, {kPixels}, {kClass});
  ASSERT_EQ(data->samples(), 3) << path;
  EXPECT_THAT(values_of<float>(*data, 0, {2, 0}), ElementsAre(0.8F, 1, 0, 0.2F));
  EXPECT_THAT(values_of<int64_t>(*data, 1, {0, 1, 2}), ElementsAre(7, 2, 1));
}

TEST(IdxDataset, ByImagesFilePrefixOrFolderRawOrGzipped) {
  const TemporaryFolder folder;
  gzipped(folder, "train-images-idx3-ubyte.gz", kImages);
  folder.write("train-labels-idx1-ubyte", kLabels);
  for (const char* name : {"train-images-idx3-ubyte.gz", "train-images-idx3-ubyte", "train", ""})
    expect_three_samples(folder / name);
  folder.write("t10k-images.idx3-ubyte", kImages);
  EXPECT_THAT(data_refusal(folder / "t10k", {kPixels}, {kClass}),
              HasSubstr("t10k-labels.idx1-ubyte[.gz], are missing"));
  gzipped(folder, "t10k-labels.idx1-ubyte.gz", kLabels);
  expect_three_samples(folder / "t10k");
  EXPECT_THAT(data_refusal(folder.path(), {kPixels}, {kClass}), HasSubstr("several IDX pairs"));
}

TEST(IdxDataset, WideElementsAreBigEndian) {
  const TemporaryFolder folder;
  folder.write("a-images-idx3-ubyte",
               std::string("\0\0\x0b\x03\0\0\0\x01\0\0\0\x01\0\0\0\x02\x01\x02\xff\xfe", 20));
  gzipped(folder, "b-images-idx3-ubyte.gz",
          std::string("\0\0\x0d\x03\0\0\0\x01\0\0\0\x01\0\0\0\x01\x3f\x80\0\0", 20));
  EXPECT_THAT(values_of<int32_t>(*open(folder / "a", {field("x", DType::i32, {2})}, {}), 0, {0}),
              ElementsAre(0x102, -2));
  EXPECT_THAT(values_of<float>(*open(folder / "b", {field("x", DType::f32, {1})}, {}), 0, {0}),
              ElementsAre(1));
}

TEST(IdxDataset, EveryCutIsAnError) {
  const TemporaryFolder folder;
  folder.write("a-labels-idx1-ubyte", kLabels);
  for (size_t length = 0; length < kImages.size(); ++length) {
    folder.write("a-images-idx3-ubyte", kImages.substr(0, length));
    EXPECT_THAT(data_refusal(folder / "a", {kPixels}, {kClass}), HasSubstr("a-images")) << length;
  }
  std::filesystem::remove(folder / "a-images-idx3-ubyte");
  const std::string whole = read_whole(gzipped(folder, "a-images-idx3-ubyte.gz", kImages));
  for (size_t length = 1; length < whole.size(); ++length) {
    folder.write("a-images-idx3-ubyte.gz", whole.substr(0, length));
    EXPECT_THAT(data_refusal(folder / "a", {kPixels}, {kClass}), HasSubstr("a-images")) << length;
  }
  gzipped(folder, "a-images-idx3-ubyte.gz", kImages + "x");
  EXPECT_THAT(data_refusal(folder / "a", {kPixels}, {kClass}), HasSubstr("not what follows"));
  gzipped(folder, "a-images-idx3-ubyte.gz",
          std::string("\0\0\x0e\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16));
  EXPECT_THAT(data_refusal(folder / "a", {kPixels}, {kClass}), HasSubstr("a-images"));
  gzipped(folder, "a-images-idx3-ubyte.gz",
          std::string("\0\0\x08\x03\x7f\xff\xff\xff\0\1\0\0\0\0\0\1", 16));
  EXPECT_THAT(data_refusal(folder / "a", {kPixels}, {kClass}), HasSubstr("not what follows"));
}

// --- tokens --------------------------------------------------------------------------------------

TEST(TokenDataset, TargetsAreTheNextTokens) {
  const TemporaryFolder folder;
  std::string content;
  for (int token = 0; token < 10; ++token)
    content += {static_cast<char>(token), token == 9 ? '\x01' : '\0'};
  const std::string path = folder.write("a.bin", content);
  const auto data =
      open(path, {field("ids", DType::i64, {3})}, {field("next", DType::i32, {1, 3})});
  EXPECT_EQ(data->samples(), 3);  // (10 - 1) / 3
  EXPECT_THAT(values_of<int64_t>(*data, 0, {2, 0}), ElementsAre(6, 7, 8, 0, 1, 2));
  EXPECT_THAT(values_of<int32_t>(*data, 1, {2, 0}), ElementsAre(7, 8, 0x109, 1, 2, 3));
  EXPECT_EQ(data->integer_range(0), (std::pair<int64_t, int64_t>{0, 0x109}));
  EXPECT_EQ(open(path, {field("ids", DType::i64, {9})}, {})->samples(), 1);
  EXPECT_THAT(data_refusal(path, {field("ids", DType::i64, {10})}, {}),
              HasSubstr("10 tokens are too few"));
  EXPECT_THAT(data_refusal(path, {field("ids", DType::f32, {3})}, {}),
              HasSubstr("tokens are integers"));
  EXPECT_THAT(data_refusal(path, {field("ids", DType::i64, {3})}, {field("y", DType::i64, {4})}),
              AllOf(HasSubstr("'y' expects i64[4]"), HasSubstr("'ids' are i64[3]")));
  EXPECT_THAT(
      data_refusal(folder.write("odd.bin", content + "x"), {field("ids", DType::i64, {3})}, {}),
      HasSubstr("21 bytes"));
  EXPECT_THAT(data_refusal(folder.write("none.bin", ""), {field("ids", DType::i64, {3})}, {}),
              HasSubstr("0 tokens"));
}

// --- CSV -----------------------------------------------------------------------------------------

TEST(CsvDataset, FindsTheTargetColumn) {
  const TemporaryFolder folder;
  const std::vector<Field> inputs = {field("input", DType::f32, {2})};
  const std::string text =
      "\xef\xbb\xbf"
      "a, label ,\"b, c\"\r\n1,7,-2.5\r\n\r\n+3e1, 8.0 ,\"0.25\"\r\n";
  const auto named =
      open(folder.write("a.csv", text), inputs, {field("logits_target", DType::i64, {})});
  ASSERT_EQ(named->samples(), 2);
  EXPECT_THAT(values_of<float>(*named, 0, {0, 1}), ElementsAre(1, -2.5, 30, 0.25));
  EXPECT_THAT(values_of<int64_t>(*named, 1, {0, 1}), ElementsAre(7, 8));

  const auto last =
      open(folder.write("b.csv", "p,q,r\n1,2,3\n4,5,6"), inputs, {field("t", DType::f64, {})});
  EXPECT_THAT(values_of<float>(*last, 0, {1}), ElementsAre(4, 5));
  EXPECT_THAT(values_of<double>(*last, 1, {0, 1}), ElementsAre(3, 6));
  const auto two =
      open(folder / "b.csv", {field("p", DType::f32, {1})}, {field("t", DType::f32, {2})});
  EXPECT_THAT(values_of<float>(*two, 1, {0}), ElementsAre(2, 3));
  // A field takes the column of its name, wherever it stands.
  const auto by_name =
      open(folder / "b.csv", {field("r", DType::f32, {}), field("rest", DType::i32, {})},
           {field("p", DType::i32, {1})});
  EXPECT_THAT(values_of<float>(*by_name, 0, {0, 1}), ElementsAre(3, 6));
  EXPECT_THAT(values_of<int32_t>(*by_name, 1, {0, 1}), ElementsAre(2, 5));
  EXPECT_THAT(values_of<int32_t>(*by_name, 2, {0, 1}), ElementsAre(1, 4));
}

TEST(CsvDataset, ErrorsNameTheLine) {
  const TemporaryFolder folder;
  const auto error = [&](std::string_view text, Shape features = {2}) {
    return data_refusal(folder.write("a.csv", text), {field("x", DType::f32, features)},
                        {field("y", DType::i64, {})});
  };
  EXPECT_EQ(error("a,b,y\n1,2,3\n"), "");
  EXPECT_THAT(error("a,b,y\n1,2,3\n\n1,two,3\n"), HasSubstr("a.csv:4: column 'b': 'two' is not a"));
  EXPECT_THAT(error("a,b,y\n1,2,3.5\n"), HasSubstr("a.csv:2: column 'y': '3.5' is not an integer"));
  EXPECT_THAT(error("a,b,y\n1,,3\n"), HasSubstr("a.csv:2: column 'b': ''"));
  EXPECT_THAT(error("a,b,y\n1,nan,3\n"), HasSubstr("'nan' is not a finite number"));
  EXPECT_THAT(error("a,b,y\n1,2\n"), HasSubstr("a.csv:2: 2 cells, the header names 3"));
  EXPECT_THAT(error("a,b,y\n1,2,3,4\n"), HasSubstr("a.csv:2: more cells than the 3"));
  EXPECT_THAT(error("1,2,3\n4,5,6\n"), HasSubstr("holds numbers"));
  EXPECT_THAT(error(""), HasSubstr("must name the columns"));
  EXPECT_THAT(error("a,b,y\n1,2,3\n", {3}),
              HasSubstr("'x' f32[3] expects 3 feature columns, found 2"));
}

}  // namespace
}  // namespace headrace
