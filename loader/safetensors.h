#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "graph/host_tensor.h"

namespace headrace {

// Content of a .safetensors file: eight bytes of header length, a JSON header, the tensors' bytes.
// Format: https://github.com/huggingface/safetensors
struct Safetensors {
  std::map<std::string, HostTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Maps the file; tensors share the mapping and keep it alive (one whose bytes lie unaligned is
// copied). Throws Error naming the file when the header is malformed, a tensor's bytes are not its
// shape's, lie outside the file, overlap another's or leave a gap.
Safetensors read_safetensors(const std::filesystem::path& path);

// Writes the file whole or not at all (loader/atomic_file.h). Every tensor is aligned to its
// elements; the same content gives the same bytes. Throws Error or RunError.
void write_safetensors(const std::filesystem::path& path, const Safetensors& content);

}  // namespace headrace
