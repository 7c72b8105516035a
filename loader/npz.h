#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "graph/host_tensor.h"
#include "loader/npy.h"

struct zip;  // of libzip

namespace headrace {

// An open .npz archive (a zip of .npy files), stored or deflated. One thread at a time.
class NpzFile {
 public:
  // Throws Error naming the file when it is not a readable archive.
  explicit NpzFile(const std::filesystem::path& path);
  ~NpzFile();
  NpzFile(const NpzFile&) = delete;
  NpzFile& operator=(const NpzFile&) = delete;

  // Names of the arrays (members without their .npy), in name order.
  std::vector<std::string> names() const;

  // Reads one array into memory and checks its checksum. The member's size is compared with the
  // header's before memory is taken. Throws Error naming the file and the member.
  HostTensor read(const std::string& name) const;

 private:
  std::string path_;
  zip* archive_ = nullptr;
  std::map<std::string, uint64_t> members_;  // name -> index in the archive
};

// Every array of the archive, by name. Throws Error.
std::map<std::string, HostTensor> read_npz(const std::filesystem::path& path);

// Writes the arrays (at least one) uncompressed, as numpy.load reads them; bf16 as a two-byte void.
// The archive is written under a temporary name and renamed into place. The same arrays give the
// same bytes. Throws Error when the folder cannot be written to, RunError when writing fails.
void write_npz(const std::filesystem::path& path, const std::map<std::string, HostTensor>& arrays);

}  // namespace headrace
