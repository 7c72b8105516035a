#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "graph/host_tensor.h"

namespace headrace {

// What the header of a .npy file says (numpy.lib.format, versions 1.0 to 3.0).
struct NpyHeader {
  TensorType type;
  bool fortran_order = false;
  bool big_endian = false;
  size_t data_offset = 0;  // from the beginning of the file

  bool is_plain() const;  // the bytes that follow are a row-major tensor of this machine
};

// The bytes of the header's fixed beginning, enough for npy_header_bytes.
constexpr size_t kNpyPreamble = 12;

// Bytes from the beginning of the file to its data. `file` names it in errors.
size_t npy_header_bytes(std::span<const std::byte> preamble, const std::string& file);

// Parses a whole header. Throws Error naming `file` when it is malformed or its dtype is none of
// ours. A two-byte void, as which numpy writes a bfloat16, is read as bf16.
NpyHeader parse_npy_header(std::span<const std::byte> header, const std::string& file);

// A version 1.0 header of a row-major tensor, padded so that the data begins at a multiple of 64.
std::string make_npy_header(const TensorType& type);

// The tensor whose bytes lie in `raw` as the header says, in row-major order of this machine.
HostTensor to_row_major(const NpyHeader& header, HostTensor raw);

// Reads a .npy file. Its bytes are mapped, not copied, where they are row-major, little endian and
// aligned. Throws Error naming the file.
HostTensor read_npy(const std::filesystem::path& path);

}  // namespace headrace
