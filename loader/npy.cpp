#include "loader/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string_view>
#include <utility>

#include "graph/error.h"
#include "loader/onnx/mapped_file.h"

namespace headrace {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

constexpr std::array<std::pair<std::string_view, DType>, 13> kDescriptions = {
    {{"f4", DType::f32},
     {"f8", DType::f64},
     {"f2", DType::f16},
     {"V2", DType::bf16},
     {"i1", DType::i8},
     {"i2", DType::i16},
     {"i4", DType::i32},
     {"i8", DType::i64},
     {"u1", DType::u8},
     {"u2", DType::u16},
     {"u4", DType::u32},
     {"u8", DType::u64},
     {"b1", DType::boolean}}};

// Reads the one Python dictionary that a header is: {'descr': '<f4', 'fortran_order': False,
// 'shape': (3, 4), }.
class DictionaryParser {
 public:
  DictionaryParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  NpyHeader parse() {
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && !std::exchange(has_descr, true)) {
        descr();
      } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
        header_.fortran_order = boolean();
      } else if (key == "shape" && !std::exchange(has_shape, true)) {
        shape();
      } else {
        fail();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!has_descr || !has_order || !has_shape) fail();
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail() const { throw Error("{}: malformed .npy header", file_); }

  void skip_space() {
    const size_t next = text_.find_first_not_of(" \t\r\n");
    text_.remove_prefix(next == std::string_view::npos ? text_.size() : next);
  }

  bool accept(char wanted) {
    skip_space();
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail();
  }

  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  std::string_view string() {
    skip_space();
    if (text_.empty() || (text_.front() != '\'' && text_.front() != '"')) fail();
    const size_t end = text_.find(text_.front(), 1);
    if (end == std::string_view::npos) fail();
    const std::string_view content = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return content;
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) fail();
    return false;
  }

  void descr() {
    skip_space();
    if (text_.starts_with('['))
      throw Error("{}: a structured array; expected plain numbers", file_);
    std::string_view description = string();
    const std::string_view whole = description;
    if (!description.empty() &&
        std::string_view("<>|=").find(description[0]) != std::string::npos) {
      header_.big_endian = description[0] == '>';
      description.remove_prefix(1);
    }
    const auto* const known =
        std::find_if(kDescriptions.begin(), kDescriptions.end(),
                     [&](const auto& entry) { return entry.first == description; });
    if (known == kDescriptions.end())
      throw Error("{}: elements of dtype '{}' are not supported; save numbers or bool", file_,
                  whole);
    header_.type.dtype = known->second;
  }

  void shape() {
    expect('(');
    while (!accept(')')) {
      skip_space();
      int64_t dimension = 0;
      const auto [end, failed] =
          std::from_chars(text_.data(), text_.data() + text_.size(), dimension);
      if (failed != std::errc() || dimension < 0) fail();
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      accept('L');  // Python 2 wrote long integers so
      header_.type.shape.push_back(dimension);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view text_;
  const std::string& file_;
  NpyHeader header_;
};

void swap_bytes(std::byte* data, size_t elements, size_t size) {
  for (size_t i = 0; i < elements; ++i) std::reverse(data + i * size, data + (i + 1) * size);
}

// Copies column-major elements to row-major ones, walking the destination.
void transpose(const std::byte* from, std::byte* to, const TensorType& type) {
  const size_t size = size_of(type.dtype);
  const size_t rank = type.shape.size();
  std::vector<int64_t> index(rank, 0), stride(rank, 1);
  for (size_t i = 1; i < rank; ++i) stride[i] = stride[i - 1] * type.shape[i - 1];
  int64_t source = 0;
  for (int64_t n = type.elements(); n-- > 0; to += size) {
    std::memcpy(to, from + static_cast<size_t>(source) * size, size);
    for (size_t axis = rank; axis-- > 0;) {
      source += stride[axis];
      if (++index[axis] < type.shape[axis]) break;
      source -= stride[axis] * type.shape[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

bool NpyHeader::is_plain() const {
  return !(fortran_order && type.rank() > 1) && !(big_endian && size_of(type.dtype) > 1);
}

size_t npy_header_bytes(std::span<const std::byte> preamble, const std::string& file) {
  if (preamble.size() < kNpyPreamble ||
      std::memcmp(preamble.data(), kMagic.data(), kMagic.size()) != 0)
    throw Error("{}: not a .npy array", file);
  const auto byte = [&](size_t i) { return std::to_integer<size_t>(preamble[i]); };
  switch (byte(6)) {
    case 1:
      return 10 + (byte(8) | byte(9) << 8);
    case 2:
    case 3:
      return 12 + (byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24);
    default:
      throw Error("{}: .npy version {} is not known", file, byte(6));
  }
}

NpyHeader parse_npy_header(std::span<const std::byte> header, const std::string& file) {
  const size_t end = npy_header_bytes(header, file);
  if (end > header.size()) throw Error("{}: truncated .npy header", file);
  const size_t begin = std::to_integer<int>(header[6]) == 1 ? 10 : 12;
  const std::string_view text(reinterpret_cast<const char*>(header.data()) + begin, end - begin);
  NpyHeader parsed = DictionaryParser(text, file).parse();
  parsed.data_offset = end;
  try {
    parsed.type.bytes();
  } catch (const Error& error) {
    throw Error("{}: {}", file, error.what());
  }
  return parsed;
}

std::string make_npy_header(const TensorType& type) {
  const auto* const entry =
      std::find_if(kDescriptions.begin(), kDescriptions.end(),
                   [&](const auto& known) { return known.second == type.dtype; });
  std::string shape;
  for (const int64_t dimension : type.shape) shape += fmt::format("{}, ", dimension);
  if (type.shape.size() > 1) shape.resize(shape.size() - 2);
  if (type.shape.size() == 1) shape.resize(shape.size() - 1);
  const bool no_order = size_of(type.dtype) == 1 || type.dtype == DType::bf16;
  std::string dictionary =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                  no_order ? '|' : '<', entry->first, shape);
  const size_t unpadded = 10 + dictionary.size() + 1;
  dictionary.append((unpadded + 63) / 64 * 64 - unpadded, ' ');
  dictionary += '\n';
  HEADRACE_CHECK(dictionary.size() <= UINT16_MAX);
  std::string header(kMagic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(dictionary.size() & 0xff);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

HostTensor to_row_major(const NpyHeader& header, HostTensor raw) {
  if (header.is_plain()) return raw;
  auto [tensor, bytes] = allocate_host_tensor(header.type);
  if (header.fortran_order) {
    transpose(raw.data.get(), bytes, header.type);
  } else {
    std::memcpy(bytes, raw.data.get(), static_cast<size_t>(header.type.bytes()));
  }
  if (header.big_endian)
    swap_bytes(bytes, static_cast<size_t>(header.type.elements()), size_of(header.type.dtype));
  return tensor;
}

HostTensor read_npy(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const std::span<const std::byte> content = file->bytes();
  const NpyHeader header = parse_npy_header(content, path.string());
  const auto bytes = static_cast<size_t>(header.type.bytes());
  if (content.size() - header.data_offset != bytes)
    throw Error("{}: {} needs {} bytes after the header, the file has {}", path.string(),
                to_string(header.type), bytes, content.size() - header.data_offset);
  const std::byte* data = content.data() + header.data_offset;
  if (header.is_plain() && reinterpret_cast<uintptr_t>(data) % size_of(header.type.dtype) != 0) {
    auto [tensor, aligned] = allocate_host_tensor(header.type);
    std::memcpy(aligned, data, bytes);
    return tensor;
  }
  return to_row_major(header, {header.type, std::shared_ptr<const std::byte>(file, data)});
}

}  // namespace headrace
