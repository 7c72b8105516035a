#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace headrace {

// A regular file mapped for reading. Pages come from the file when they are touched; the mapping
// lives as long as the object, also when the file is replaced by a rename meanwhile.
class MappedFile {
 public:
  // Throws Error naming the path when it is not a readable regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}

  const std::byte* data_;
  size_t size_;
};

}  // namespace headrace
