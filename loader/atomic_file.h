#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace headrace {

// A file that appears whole or not at all: written as `<path>.tmp`, flushed to the disk, renamed.
// Without commit() (an exception, a kill) whatever lay at the path stays as it was.
class AtomicFile {
 public:
  // Throws Error when the temporary file cannot be made.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Both throw RunError (a full disk).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  // Flushes the content, renames the file into place and flushes the folder. Throws RunError.
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int fd_;
};

// Flushes a folder's entries to the disk, so that renames and new files in it survive a power cut.
// Throws RunError.
void flush_folder(const std::filesystem::path& folder);

}  // namespace headrace
