#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <type_traits>

#include "graph/error.h"
#include "loader/data/columns.h"
#include "loader/data/formats.h"
#include "loader/onnx/mapped_file.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestRank = 8;
constexpr uint64_t kLargestExpansion = 1032;  // of deflate
constexpr std::array<std::string_view, 2> kImagesSuffixes = {"-images-idx3-ubyte",
                                                             "-images.idx3-ubyte"};

std::string labels_suffix(std::string_view images_suffix) {
  std::string suffix(images_suffix);
  suffix.replace(suffix.find("images"), 6, "labels");
  suffix.replace(suffix.find("idx3"), 4, "idx1");
  return suffix;
}

// "train" of "train-images-idx3-ubyte.gz", and which of the suffixes it has.
std::optional<std::pair<std::string, std::string_view>> split_images_name(std::string name) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  for (const std::string_view suffix : kImagesSuffixes)
    if (name.ends_with(suffix))
      return std::pair(name.substr(0, name.size() - suffix.size()), suffix);
  return std::nullopt;
}

std::optional<std::string> existing(const std::string& path) {
  for (const std::string& candidate : {path, path + ".gz"})
    if (fs::is_regular_file(candidate)) return candidate;
  return std::nullopt;
}

// The images file of a prefix.
std::optional<std::string> images_of_prefix(const std::string& prefix) {
  for (const std::string_view suffix : kImagesSuffixes)
    if (auto file = existing(prefix + std::string(suffix))) return file;
  return std::nullopt;
}

// The prefixes of all images files of a folder, in name order.
std::vector<std::string> prefixes_in(const fs::path& folder) {
  std::vector<std::string> prefixes;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const auto split = split_images_name(entry.path().string()))
      prefixes.push_back(split->first);
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes;
}

std::string find_images(const std::string& path) {
  if (fs::is_directory(path)) {
    const std::vector<std::string> prefixes = prefixes_in(path);
    if (prefixes.size() > 1)
      throw Error("{}: several IDX pairs lie here; name one of {}", path,
                  fmt::join(prefixes, ", "));
    if (const auto images = images_of_prefix(prefixes.at(0))) return *images;
  }
  if (split_images_name(path))
    if (const auto images = existing(path)) return *images;
  if (const auto images = images_of_prefix(path)) return *images;
  throw Error("{}: no such IDX images file", path);
}

// Reads a .gz from its beginning, never more than is asked for.
class GzipReader {
 public:
  explicit GzipReader(const std::string& path) : file_(gzopen(path.c_str(), "rb")) {
    if (file_ == nullptr) throw Error("{}: {}", path, std::strerror(errno));
    gzbuffer(file_.get(), 1 << 18);
  }

  size_t read_some(std::byte* destination, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
      const auto wanted = static_cast<unsigned>(std::min<size_t>(bytes - done, 1 << 30));
      const int got = gzread(file_.get(), destination + done, wanted);
      int code = Z_OK;
      const char* text = gzerror(file_.get(), &code);
      // A stream that is cut off reports Z_BUF_ERROR only after its last bytes were given out.
      if (got < 0 || code == Z_BUF_ERROR) throw Error("{}", text);  // it begins with the path
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::unique_ptr<std::remove_pointer_t<gzFile>, Close> file_;
};

struct IdxHeader {
  TensorType type;
  size_t bytes;
};

// `start` holds up to 4 + 4 * kLargestRank bytes of the file.
IdxHeader parse_header(std::span<const std::byte> start, const std::string& path) {
  const auto byte = [&](size_t i) { return std::to_integer<uint32_t>(start[i]); };
  if (start.size() < 4 || byte(0) != 0 || byte(1) != 0) throw Error("{}: not an IDX file", path);
  IdxHeader header;
  switch (byte(2)) {
    case 0x08:
      header.type.dtype = DType::u8;
      break;
    case 0x09:
      header.type.dtype = DType::i8;
      break;
    case 0x0b:
      header.type.dtype = DType::i16;
      break;
    case 0x0c:
      header.type.dtype = DType::i32;
      break;
    case 0x0d:
      header.type.dtype = DType::f32;
      break;
    case 0x0e:
      header.type.dtype = DType::f64;
      break;
    default:
      throw Error("{}: IDX element type {:#x} is not known", path, byte(2));
  }
  const size_t rank = byte(3);
  header.bytes = 4 + 4 * rank;
  if (rank == 0 || rank > kLargestRank) throw Error("{}: an IDX file of rank {}", path, rank);
  if (start.size() < header.bytes) throw Error("{}: truncated", path);
  for (size_t i = 4; i < header.bytes; i += 4)
    header.type.shape.push_back(byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3));
  try {
    header.type.bytes();
  } catch (const Error& error) {
    throw Error("{}: {}", path, error.what());
  }
  return header;
}

[[noreturn]] void wrong_size(const std::string& path, const IdxHeader& header) {
  throw Error("{}: its header says {}, which is not what follows", path, to_string(header.type));
}

// Elements are big endian in the file.
void to_native(std::byte* data, const TensorType& type) {
  const size_t size = size_of(type.dtype);
  const auto bytes = static_cast<size_t>(type.bytes());
  if (size > 1)
    for (size_t i = 0; i < bytes; i += size) std::reverse(data + i, data + i + size);
}

HostTensor read_gzip(const std::string& path) {
  GzipReader reader(path);
  std::array<std::byte, 4 + 4 * kLargestRank> start;
  size_t have = reader.read_some(start.data(), 4);
  if (have == 4) {
    const size_t rank = std::min(std::to_integer<size_t>(start[3]), kLargestRank);
    have += reader.read_some(start.data() + 4, 4 * rank);
  }
  const IdxHeader header = parse_header(std::span(start).first(have), path);
  const auto bytes = static_cast<size_t>(header.type.bytes());
  if (bytes / kLargestExpansion > fs::file_size(path)) wrong_size(path, header);
  auto [tensor, data] = allocate_host_tensor(header.type);
  std::byte beyond;
  if (reader.read_some(data, bytes) != bytes || reader.read_some(&beyond, 1) != 0)
    wrong_size(path, header);
  to_native(data, header.type);
  return tensor;
}

HostTensor read_raw(const std::string& path) {
  const auto file = MappedFile::open(path);
  const std::span<const std::byte> content = file->bytes();
  const IdxHeader header = parse_header(content, path);
  const auto bytes = static_cast<size_t>(header.type.bytes());
  if (content.size() - header.bytes != bytes) wrong_size(path, header);
  const std::byte* data = content.data() + header.bytes;
  if (size_of(header.type.dtype) == 1)
    return {header.type, std::shared_ptr<const std::byte>(file, data)};
  auto [tensor, copy] = allocate_host_tensor(header.type);
  std::memcpy(copy, data, bytes);
  to_native(copy, header.type);
  return tensor;
}

Column load(const std::string& path) {
  return {path, path.ends_with(".gz") ? read_gzip(path) : read_raw(path)};
}

}  // namespace

bool names_idx(const std::string& path) {
  if (fs::is_directory(path)) return !prefixes_in(path).empty();
  return split_images_name(path).has_value() || images_of_prefix(path).has_value();
}

std::unique_ptr<Dataset> open_idx(const std::string& path, std::span<const Field> inputs,
                                  std::span<const Field> targets) {
  if (inputs.size() != 1 || targets.size() > 1)
    throw Error("{}: an IDX pair feeds one input and one target, the model has {} and {}", path,
                inputs.size(), targets.size());
  const std::string images = find_images(path);
  std::vector<Column> columns;
  columns.push_back(load(images));
  if (!targets.empty()) {
    const auto [prefix, suffix] = *split_images_name(images);
    const std::string labels = prefix + labels_suffix(suffix);
    const auto file = existing(labels);
    if (!file) throw Error("{}: the labels beside it, {}[.gz], are missing", images, labels);
    columns.push_back(load(*file));
  }
  return std::make_unique<ColumnDataset>(path, inputs, targets, std::move(columns));
}

}  // namespace headrace
