#include "loader/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "graph/error.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string file_of(std::string_view header, std::string_view data) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file.append(header).append(data);
}

TEST(Safetensors, RoundTripsEveryDtypeAligned) {
  const TemporaryFolder folder;
  Safetensors content;
  content.metadata = {{"format", "pt"}, {"note", "\"quoted\" é"}};
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    const auto dtype = static_cast<DType>(i);
    auto [tensor, bytes] = allocate_host_tensor({dtype, {3, 1}});
    for (int64_t b = 0; b < tensor.type.bytes(); ++b) bytes[b] = static_cast<std::byte>(b + i);
    content.tensors.emplace(fmt::format("w.{}", name_of(dtype)), tensor);
  }
  content.tensors.emplace("scalar", scalar_tensor(int64_t{-7}));
  content.tensors.emplace("empty", make_host_tensor<float>({2, 0}, {}));
  const std::string path = folder / "a.safetensors";
  write_safetensors(path, content);
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));

  const Safetensors read = read_safetensors(path);
  EXPECT_EQ(read.metadata, content.metadata);
  ASSERT_EQ(read.tensors.size(), content.tensors.size());
  for (const auto& [name, tensor] : content.tensors) {
    const HostTensor& found = read.tensors.at(name);
    EXPECT_EQ(found.type, tensor.type) << name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found.data.get()) % size_of(tensor.type.dtype), 0)
        << name;
    EXPECT_EQ(
        std::memcmp(found.data.get(), tensor.data.get(), static_cast<size_t>(tensor.type.bytes())),
        0)
        << name;
  }
}

TEST(Safetensors, TensorsOutliveTheFile) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.safetensors";
  write_safetensors(path, {{{"x", scalar_tensor(1.0F)}}, {}});
  const HostTensor old = read_safetensors(path).tensors.at("x");
  write_safetensors(path, {{{"x", scalar_tensor(2.0F)}}, {}});
  EXPECT_THAT(old.as<float>(), ElementsAre(1));
  EXPECT_THAT(read_safetensors(path).tensors.at("x").as<float>(), ElementsAre(2));
}

TEST(Safetensors, CopiesWhatLiesUnaligned) {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"I32","shape":[1],"data_offsets":[1,5]}})";
  const std::string path =
      folder.write("a.safetensors", file_of(header, std::string("\x09\x05\0\0\0", 5)));
  const Safetensors read = read_safetensors(path);
  EXPECT_THAT(read.tensors.at("a").as<uint8_t>(), ElementsAre(9));
  EXPECT_THAT(read.tensors.at("b").as<int32_t>(), ElementsAre(5));
}

TEST(Safetensors, RefusesWhatDoesNotAddUp) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& content) {
    const std::string path = folder.write("a.safetensors", content);
    return message_of<Error>([&] { read_safetensors(path); });
  };
  const auto one = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return fmt::format(R"({{"t":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape,
                       offsets);
  };
  EXPECT_EQ(refusal(file_of(one("F32", "[1]", "[0,4]"), "1234")), "");
  EXPECT_THAT(refusal(""), HasSubstr("a.safetensors: too short"));
  EXPECT_THAT(refusal(std::string(8, '\xff')), HasSubstr("truncated"));
  EXPECT_THAT(refusal(file_of("{}", "").substr(0, 9)), HasSubstr("truncated"));
  EXPECT_THAT(refusal(file_of("{", "")), HasSubstr("malformed safetensors header"));
  EXPECT_THAT(refusal(file_of("[]", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal(file_of(R"({"t":{}})", "")), HasSubstr("malformed"));
  EXPECT_THAT(refusal(file_of(R"({"t":3})", "")), HasSubstr("malformed"));
  EXPECT_THAT(refusal(file_of(R"({"__metadata__":{"a":1}})", "")), HasSubstr("malformed"));
  EXPECT_THAT(refusal(file_of(one("Q4", "[1]", "[0,4]"), "1234")), HasSubstr("dtype 'Q4'"));
  EXPECT_THAT(refusal(file_of(one("F32", "[2]", "[0,4]"), "1234")), HasSubstr("(8 bytes)"));
  EXPECT_THAT(refusal(file_of(one("F32", "[1]", "[4,0]"), "1234")), HasSubstr("bytes 4 to 0"));
  EXPECT_THAT(refusal(file_of(one("F32", "[-1]", "[0,4]"), "1234")), HasSubstr("has -1"));
  EXPECT_THAT(refusal(file_of(one("F32", "[1.5]", "[0,4]"), "1234")), HasSubstr("has 1.5"));
  EXPECT_THAT(refusal(file_of(one("F32", "1", "[0,4]"), "1234")), HasSubstr("malformed"));
  EXPECT_THAT(refusal(file_of(one("F64", "[4611686018427387904,2]", "[0,4]"), "1234")),
              HasSubstr("a.safetensors: tensor 't': shape"));
  EXPECT_THAT(refusal(file_of(one("F32", "[1]", "[0,4]"), "123")), HasSubstr("the file has 3"));
  EXPECT_THAT(refusal(file_of(one("F32", "[1]", "[0,4]"), "12345")), HasSubstr("the file has 5"));
  EXPECT_THAT(refusal(file_of(one("F32", "[1]", "[4,8]"), "12345678")), HasSubstr("begins at"));
  const std::string_view overlapping = R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                       R"("u":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})";
  EXPECT_THAT(refusal(file_of(overlapping, "123456")), HasSubstr("tensor 'u' begins at byte 2"));
  const std::string_view twice = R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                 R"("t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  EXPECT_THAT(refusal(file_of(twice, "12345678")), HasSubstr("begins at byte 4"));
}

}  // namespace
}  // namespace headrace
