#include "loader/npz.h"

#include <zip.h>

#include <memory>
#include <tuple>
#include <utility>

#include "graph/error.h"

namespace headrace {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr uint64_t kLargestHeader = 1 << 20;
// Deflate cannot do better than 258 bytes from 2 bits.
constexpr uint64_t kLargestExpansion = 1032;

struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Member = std::unique_ptr<zip_file_t, CloseMember>;

struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};

std::string text_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

void read_exactly(zip_file_t* member, std::byte* destination, uint64_t bytes,
                  const std::string& label) {
  while (bytes > 0) {
    const zip_int64_t got = zip_fread(member, destination, bytes);
    if (got < 0) throw Error("{}: {}", label, zip_file_strerror(member));
    if (got == 0) throw Error("{}: truncated", label);
    destination += got;
    bytes -= static_cast<uint64_t>(got);
  }
}

}  // namespace

NpzFile::NpzFile(const std::filesystem::path& path) : path_(path.string()) {
  int code = 0;
  archive_ = zip_open(path_.c_str(), ZIP_RDONLY, &code);
  if (archive_ == nullptr) throw Error("{}: {}", path_, text_of(code));
  const zip_int64_t count = zip_get_num_entries(archive_, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* raw = zip_get_name(archive_, static_cast<zip_uint64_t>(i), 0);
    std::string name = raw == nullptr ? "" : raw;
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
    if (!members_.emplace(name, static_cast<uint64_t>(i)).second) {
      zip_discard(archive_);
      throw Error("{}: two members are named '{}'", path_, name);
    }
  }
}

NpzFile::~NpzFile() { zip_discard(archive_); }

std::vector<std::string> NpzFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, index] : members_) names.push_back(name);
  return names;
}

HostTensor NpzFile::read(const std::string& name) const {
  const std::string label = fmt::format("{}: '{}'", path_, name);
  const auto found = members_.find(name);
  if (found == members_.end()) throw Error("{}: no such member", label);
  zip_stat_t status;
  if (zip_stat_index(archive_, found->second, 0, &status) != 0 || !(status.valid & ZIP_STAT_SIZE) ||
      !(status.valid & ZIP_STAT_COMP_SIZE))
    throw Error("{}: {}", label, zip_strerror(archive_));
  if (status.size / kLargestExpansion > status.comp_size)
    throw Error("{}: states {} bytes in {} compressed ones", label, status.size, status.comp_size);

  const Member member(zip_fopen_index(archive_, found->second, 0));
  if (member == nullptr) throw Error("{}: {}", label, zip_strerror(archive_));
  std::vector<std::byte> start(kNpyPreamble);
  read_exactly(member.get(), start.data(), start.size(), label);
  const size_t header_bytes = npy_header_bytes(start, label);
  if (header_bytes < start.size() || header_bytes > kLargestHeader || header_bytes > status.size)
    throw Error("{}: malformed .npy header", label);
  start.resize(header_bytes);
  read_exactly(member.get(), start.data() + kNpyPreamble, header_bytes - kNpyPreamble, label);
  const NpyHeader header = parse_npy_header(start, label);

  const auto bytes = static_cast<uint64_t>(header.type.bytes());
  if (status.size - header_bytes != bytes)
    throw Error("{}: {} needs {} bytes after the header, the member has {}", label,
                to_string(header.type), bytes, status.size - header_bytes);
  auto [raw, destination] = allocate_host_tensor(header.type);
  read_exactly(member.get(), destination, bytes, label);
  // libzip compares the checksum when it meets the end.
  std::byte beyond{};
  if (zip_fread(member.get(), &beyond, 1) < 0)
    throw Error("{}: {}", label, zip_file_strerror(member.get()));
  return to_row_major(header, std::move(raw));
}

std::map<std::string, HostTensor> read_npz(const std::filesystem::path& path) {
  const NpzFile file(path);
  std::map<std::string, HostTensor> arrays;
  for (const std::string& name : file.names()) arrays.emplace(name, file.read(name));
  return arrays;
}

void write_npz(const std::filesystem::path& path, const std::map<std::string, HostTensor>& arrays) {
  HEADRACE_CHECK(!arrays.empty(), "libzip writes no empty archive");
  int code = 0;
  // libzip writes a temporary file beside the path and renames it when it closes the archive.
  std::unique_ptr<zip_t, DiscardArchive> archive(
      zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (archive == nullptr) throw Error("{}: {}", path.string(), text_of(code));
  std::vector<std::string> headers;  // libzip reads them when it closes the archive
  headers.reserve(arrays.size());
  for (const auto& [name, tensor] : arrays) {
    headers.push_back(make_npy_header(tensor.type));
    const auto bytes = static_cast<zip_uint64_t>(tensor.type.bytes());
    zip_buffer_fragment_t parts[2] = {
        {reinterpret_cast<zip_uint8_t*>(headers.back().data()), headers.back().size()},
        {reinterpret_cast<zip_uint8_t*>(const_cast<std::byte*>(tensor.data.get())), bytes}};
    zip_source_t* source = zip_source_buffer_fragment(archive.get(), parts, bytes == 0 ? 1 : 2, 0);
    const zip_int64_t index =
        source == nullptr
            ? -1
            : zip_file_add(archive.get(), (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      throw Error("{}: '{}': {}", path.string(), name, zip_strerror(archive.get()));
    }
    const auto member = static_cast<zip_uint64_t>(index);
    constexpr zip_uint16_t kFirstDosDay = 1 << 5 | 1;
    if (zip_set_file_compression(archive.get(), member, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive.get(), member, 0, kFirstDosDay, 0) != 0)
      throw Error("{}: '{}': {}", path.string(), name, zip_strerror(archive.get()));
  }
  if (zip_close(archive.get()) != 0)
    throw RunError("{}: {}", path.string(), zip_strerror(archive.get()));
  std::ignore = archive.release();  // closed
}

}  // namespace headrace
