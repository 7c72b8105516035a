#include "loader/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "loader/atomic_file.h"
#include "loader/onnx/mapped_file.h"

namespace headrace {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kLargestHeader = 100'000'000;  // the format's own limit
constexpr std::string_view kMetadata = "__metadata__";

// In the order of DType.
constexpr std::array<std::string_view, 13> kNames = {
    "F32", "F64", "F16", "BF16", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL"};

std::string_view safetensors_name(DType dtype) { return kNames[static_cast<size_t>(dtype)]; }

std::optional<DType> from_safetensors_name(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<DType>(found - kNames.begin());
}

struct Entry {
  std::string name;
  TensorType type;
  uint64_t begin, end;  // bytes from the end of the header
};

Entry parse_entry(const std::string& name, const json& value, const std::string& file) {
  const auto& dtype_name = value.at("dtype").get_ref<const std::string&>();
  const auto dtype = from_safetensors_name(dtype_name);
  if (!dtype) throw Error("{}: tensor '{}' has the unknown dtype '{}'", file, name, dtype_name);
  // Numbers are unsigned in the JSON; get<> would turn a negative or fractional one into something.
  const auto unsigned_at = [&](const json& number) {
    if (!number.is_number_unsigned() || number.get<uint64_t>() > INT64_MAX)
      throw Error("{}: tensor '{}' has {} for a size or offset", file, name, number.dump());
    return number.get<uint64_t>();
  };
  Entry entry{name, {*dtype, {}}, 0, 0};
  const json& shape = value.at("shape");
  const json& offsets = value.at("data_offsets");
  if (!shape.is_array() || !offsets.is_array() || offsets.size() != 2)
    throw Error("{}: tensor '{}' has a malformed header entry", file, name);
  for (const json& dimension : shape)
    entry.type.shape.push_back(static_cast<int64_t>(unsigned_at(dimension)));
  entry.begin = unsigned_at(offsets[0]);
  entry.end = unsigned_at(offsets[1]);
  uint64_t bytes = 0;
  try {
    bytes = static_cast<uint64_t>(entry.type.bytes());
  } catch (const Error& error) {
    throw Error("{}: tensor '{}': {}", file, name, error.what());
  }
  if (entry.begin > entry.end || entry.end - entry.begin != bytes)
    throw Error("{}: tensor '{}' is {} ({} bytes) but has the bytes {} to {}", file, name,
                to_string(entry.type), bytes, entry.begin, entry.end);
  return entry;
}

// In file order, checked to cover the `data_bytes` after the header without gap or overlap.
std::vector<Entry> parse_entries(const json& header, uint64_t data_bytes, const std::string& file) {
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items())
    if (name != kMetadata) entries.push_back(parse_entry(name, value, file));
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered)
      throw Error("{}: tensor '{}' begins at byte {}, the one before it ends at {}", file,
                  entry.name, entry.begin, covered);
    covered = entry.end;
  }
  if (covered != data_bytes)
    throw Error("{}: its tensors take {} bytes, the file has {}", file, covered, data_bytes);
  return entries;
}

HostTensor tensor_at(const std::shared_ptr<const MappedFile>& file, const std::byte* data,
                     const TensorType& type) {
  if (reinterpret_cast<uintptr_t>(data) % size_of(type.dtype) == 0 && type.bytes() > 0)
    return {type, std::shared_ptr<const std::byte>(file, data)};
  auto [tensor, bytes] = allocate_host_tensor(type);
  std::memcpy(bytes, data, static_cast<size_t>(type.bytes()));
  return tensor;
}

}  // namespace

Safetensors read_safetensors(const std::filesystem::path& path) {
  const std::string file = path.string();
  const auto mapped = MappedFile::open(path);
  const std::span<const std::byte> content = mapped->bytes();
  uint64_t header_bytes = 0;
  if (content.size() < sizeof header_bytes) throw Error("{}: too short for safetensors", file);
  std::memcpy(&header_bytes, content.data(), sizeof header_bytes);
  if (header_bytes > kLargestHeader || header_bytes > content.size() - sizeof header_bytes)
    throw Error("{}: a header of {} bytes in a file of {}: not safetensors, or truncated", file,
                header_bytes, content.size());
  const auto* text = reinterpret_cast<const char*>(content.data()) + sizeof header_bytes;
  const std::span<const std::byte> data = content.subspan(sizeof header_bytes + header_bytes);

  Safetensors result;
  try {
    const json header = json::parse(text, text + header_bytes);
    if (!header.is_object()) throw Error("{}: its header is not a JSON object", file);
    if (header.contains(kMetadata))
      result.metadata = header.at(kMetadata).get<std::map<std::string, std::string>>();
    for (const Entry& entry : parse_entries(header, data.size(), file))
      result.tensors.emplace(entry.name, tensor_at(mapped, data.data() + entry.begin, entry.type));
  } catch (const json::exception& error) {
    throw Error("{}: malformed safetensors header: {}", file, error.what());
  }
  return result;
}

void write_safetensors(const std::filesystem::path& path, const Safetensors& content) {
  using Named = std::pair<const std::string, HostTensor>;
  std::vector<const Named*> order;
  for (const Named& named : content.tensors) {
    HEADRACE_CHECK(named.first != kMetadata);
    order.push_back(&named);
  }
  // Wide elements first: then every tensor is aligned without the gaps that the format forbids.
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return size_of(a->second.type.dtype) > size_of(b->second.type.dtype);
  });

  json header = json::object();
  if (!content.metadata.empty()) header[std::string(kMetadata)] = content.metadata;
  int64_t offset = 0;
  for (const Named* named : order) {
    const TensorType& type = named->second.type;
    const int64_t end = offset + type.bytes();
    header[named->first] = {{"dtype", safetensors_name(type.dtype)},
                            {"shape", type.shape},
                            {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& error) {
    throw Error("{}: a name that is not UTF-8: {}", path.string(), error.what());
  }
  const size_t unpadded = sizeof(uint64_t) + text.size();
  text.append((unpadded + 63) / 64 * 64 - unpadded, ' ');

  AtomicFile file(path);
  const uint64_t header_bytes = text.size();
  file.write(std::as_bytes(std::span(&header_bytes, 1)));
  file.write(text);
  for (const Named* named : order)
    file.write({named->second.data.get(), static_cast<size_t>(named->second.type.bytes())});
  file.commit();
}

}  // namespace headrace
