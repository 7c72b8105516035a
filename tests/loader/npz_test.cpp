#include "loader/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "graph/error.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// numpy.savez_compressed(order=asfortranarray(arange(6, 'f4').reshape(2, 3)), big=array([1, -2,
// 300],
// '>i2'), scalar=float64(2.5), flags=array([True, False]), half=array([1, -0.5], 'f2'),
// three=asfortranarray(arange(24, 'i4').reshape(2, 3, 4)))
constexpr std::string_view kNumpyArchive =
    "504b03042d000000080000002100ce2ce0d3ffffffffffffffff090014006f726465722e6e707901001000980000"
    "000000000056000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a2aea3a09e965f5452"
    "9498179f5f94920a120f292a4d050a17672416a402b91a463a0ac69a3a0ab50ae4032e06307070606068b0076207"
    "10878161810300504b03042d000000080000002100ef4a5a1bffffffffffffffff070014006269672e6e70790100"
    "100086000000000000004a000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9769a4aea3a0"
    "9e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e06c6ffff187500"
    "504b03042d00000008000000210035b43a93ffffffffffffffff0a0014007363616c61722e6e7079010010008800"
    "00000000000047000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a1aea3a09e965f54"
    "529498179f5f94920a12774bcc294e058a17672416a402f91a9a3a0ab50a14012e063060710000504b03042d0000"
    "00080000002100ee19bb5dffffffffffffffff09001400666c6167732e6e70790100100082000000000000004600"
    "0000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a05e9364a8aea3a09e965f54529498179f5f9492"
    "0a12774bcc294e058a17672416a402f91a463a9a3a0ab50a14002e460600504b03042d000000080000002100d3ec"
    "d851ffffffffffffffff0800140068616c662e6e707901001000840000000000000048000000000000009bec17ea"
    "1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17"
    "672416a402f91a463a9a3a0ab50a14002e061b861d00504b03042d00000008000000210067b302b3ffffffffffff"
    "ffff0900140074687265652e6e707901001000e00000000000000080000000000000009dcc390ec2401044d131fb"
    "be2f696703d244e0c8e20a200208889085074182511b4810a7e0c27c5f81925e5015d477b35f6f0f817999b74d7c"
    "76521b895d5d43ebc49e537d687c3ba69af87cdfe9d3336797f8eea9b38593a59370eee4237fa661480b25f450c3"
    "0801da28a38f3ac628a0830a06c80f2628a28b2a8668628a1f504b01022d032d000000080000002100ce2ce0d356"
    "000000980000000900000000000000000000008001000000006f726465722e6e7079504b01022d032d0000000800"
    "00002100ef4a5a1b4a000000860000000700000000000000000000008001910000006269672e6e7079504b01022d"
    "032d00000008000000210035b43a9347000000880000000a00000000000000000000008001140100007363616c61"
    "722e6e7079504b01022d032d000000080000002100ee19bb5d460000008200000009000000000000000000000080"
    "0197010000666c6167732e6e7079504b01022d032d000000080000002100d3ecd851480000008400000008000000"
    "000000000000000080011802000068616c662e6e7079504b01022d032d00000008000000210067b302b380000000"
    "e000000009000000000000000000000080019a02000074687265652e6e7079504b05060000000006000600480100"
    "00550300000000";

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

std::string npy(std::string_view dictionary, std::string_view data) {
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(dictionary.size() & 0xff);
  file += static_cast<char>(dictionary.size() >> 8);
  return file.append(dictionary).append(data);
}

TEST(Npz, ReadsWhatNumpyWrites) {
  const TemporaryFolder folder;
  const auto arrays = read_npz(folder.write("numpy.npz", from_hex(kNumpyArchive)));
  ASSERT_EQ(arrays.size(), 6);
  EXPECT_EQ(arrays.at("order").type, (TensorType{DType::f32, {2, 3}}));
  EXPECT_THAT(arrays.at("order").as<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(arrays.at("big").as<int16_t>(), ElementsAre(1, -2, 300));
  EXPECT_EQ(arrays.at("scalar").type, (TensorType{DType::f64, {}}));
  EXPECT_THAT(arrays.at("scalar").as<double>(), ElementsAre(2.5));
  EXPECT_THAT(arrays.at("flags").as<bool>(), ElementsAre(true, false));
  EXPECT_THAT(to_doubles(arrays.at("half")), ElementsAre(1, -0.5));
  std::vector<int32_t> three(24);
  std::iota(three.begin(), three.end(), 0);
  EXPECT_EQ(arrays.at("three").type, (TensorType{DType::i32, {2, 3, 4}}));
  EXPECT_THAT(arrays.at("three").as<int32_t>(), testing::ElementsAreArray(three));
}

TEST(Npz, WritesEveryDtypeAndReadsItBack) {
  const TemporaryFolder folder;
  std::map<std::string, HostTensor> arrays;
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    const auto dtype = static_cast<DType>(i);
    auto [tensor, bytes] = allocate_host_tensor({dtype, {2, 3}});
    for (int64_t b = 0; b < tensor.type.bytes(); ++b) bytes[b] = static_cast<std::byte>(b % 2);
    arrays.emplace(fmt::format("layer.0/{}:w", name_of(dtype)), tensor);
  }
  arrays.emplace("scalar", scalar_tensor(1.5F));
  arrays.emplace("empty", make_host_tensor<float>({0, 4}, {}));
  write_npz(folder / "a.npz", arrays);
  const auto read = read_npz(folder / "a.npz");
  ASSERT_EQ(read.size(), arrays.size());
  for (const auto& [name, tensor] : arrays) {
    EXPECT_EQ(read.at(name).type, tensor.type) << name;
    EXPECT_EQ(std::memcmp(read.at(name).data.get(), tensor.data.get(),
                          static_cast<size_t>(tensor.type.bytes())),
              0)
        << name;
  }
  write_npz(folder / "b.npz", arrays);
  EXPECT_EQ(read_whole(folder / "a.npz"), read_whole(folder / "b.npz"));
  EXPECT_THAT(message_of<RunError>([&] { write_npz(folder / "no/such/folder.npz", arrays); }),
              HasSubstr("no/such/folder.npz"));
}

TEST(Npz, EveryDamageIsAnErrorThatNamesTheFile) {
  const TemporaryFolder folder;
  const std::string whole = from_hex(kNumpyArchive);
  for (size_t length = 0; length < whole.size(); length += 31) {
    const std::string path = folder.write("cut.npz", whole.substr(0, length));
    EXPECT_THAT(message_of<Error>([&] { read_npz(path); }), HasSubstr("cut.npz")) << length;
  }
  // Inside the first member's compressed bytes: they no longer match their checksum.
  std::string damaged = whole;
  damaged[100] ^= 1;
  const std::string path = folder.write("bad.npz", damaged);
  EXPECT_THAT(message_of<Error>([&] { read_npz(path); }), HasSubstr("bad.npz: 'order'"));
  EXPECT_THAT(message_of<Error>([&] { NpzFile(path).read("absent"); }), HasSubstr("'absent'"));
}

TEST(Npy, IsMappedInPlace) {
  const TemporaryFolder folder;
  const TensorType type{DType::f32, {2, 2}};
  const std::array<float, 4> values = {1, 2, 3, 4};
  std::string content = make_npy_header(type);
  EXPECT_EQ(content.size() % 64, 0);
  content.append(reinterpret_cast<const char*>(values.data()), sizeof values);
  const std::string path = folder.write("a.npy", content);
  const HostTensor tensor = read_npy(path);
  EXPECT_EQ(tensor.type, type);
  EXPECT_THAT(tensor.as<float>(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data.get()) % 4096, content.size() - sizeof values);
}

TEST(Npy, TakesAnUnalignedHeaderAndOldIntegers) {
  const TemporaryFolder folder;
  const std::string data("\x01\x00\x00\x00\x02\x00\x00\x00", 8);
  const std::string path =
      folder.write("a.npy", npy("{\"shape\": (2L,), 'fortran_order': True, 'descr': '<i4'}", data));
  EXPECT_THAT(read_npy(path).as<int32_t>(), ElementsAre(1, 2));
}

TEST(Npy, RefusesWhatIsNoArrayOfNumbers) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& content) {
    const std::string path = folder.write("a.npy", content);
    return message_of<Error>([&] { read_npy(path); });
  };
  const auto described = [](std::string_view descr, std::string_view shape) {
    return fmt::format("{{'descr': {}, 'fortran_order': False, 'shape': {}, }}", descr, shape);
  };
  EXPECT_THAT(refusal(""), HasSubstr("a.npy: not a .npy array"));
  EXPECT_THAT(refusal("PK\x03\x04 and more bytes"), HasSubstr("not a .npy array"));
  EXPECT_THAT(refusal(npy(described("'|O'", "(1,)"), "x")), HasSubstr("dtype '|O'"));
  EXPECT_THAT(refusal(npy(described("'<c8'", "(1,)"), "12345678")), HasSubstr("dtype '<c8'"));
  EXPECT_THAT(refusal(npy(described("[('a', '<i4')]", "(1,)"), "1234")), HasSubstr("structured"));
  EXPECT_THAT(refusal(npy(described("'<f4'", "(2,)"), "1234")), HasSubstr("needs 8 bytes"));
  EXPECT_THAT(refusal(npy(described("'<f4'", "(1,)"), "12345")), HasSubstr("the file has 5"));
  EXPECT_THAT(refusal(npy(described("'<f8'", "(4611686018427387904, 2)"), "")),
              HasSubstr("a.npy: shape"));
  EXPECT_THAT(refusal(npy(described("'<f4'", "(99999999999999999999,)"), "")),
              HasSubstr("malformed"));
  for (const char* header :
       {"", "{", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': 3, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1", "{'descr: 1}", "[1, 2, 3, 4]",
        "{'shape': (1,), 'shape': (1,), 'descr': '<f4', 'fortran_order': False}"})
    EXPECT_THAT(refusal(npy(header, "1234")), HasSubstr("a.npy: malformed .npy header")) << header;
  EXPECT_THAT(refusal(npy(described("'<f4'", "(1,)"), "").substr(0, 40)), HasSubstr("truncated"));
  EXPECT_THAT(message_of<Error>([&] { read_npy(folder.path()); }), HasSubstr("regular file"));
}

}  // namespace
}  // namespace headrace
