#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "graph/host_tensor.h"
#include "loader/data/batches.h"

namespace headrace {

// All that a training needs to go on as if it had never stopped, keyed by parameter name, so that
// neither the partition nor the schedule matters.
struct Checkpoint {
  std::map<std::string, HostTensor> parameters;
  std::map<std::string, HostTensor> states;  // running statistics and their like
  std::map<std::string, std::map<std::string, HostTensor>> optimizer;  // [parameter][state name]
  int64_t step = 0;                                                    // steps done
  DataPosition data;                                                   // of the next batch
  uint64_t seed = 0;
  std::map<std::string, std::string> config;  // the caller's own
};

// Writes `folder`/step-00000100/ {state.safetensors, state.json}: complete on the disk under a
// temporary name, renamed into place, then named by the file `folder`/latest. Keeps the last good
// one before it and removes all others; a step that is there already is replaced. A kill at any
// moment leaves the last good one. One process writes to a folder at a time. Throws Error when the
// folder cannot be made, RunError when writing fails.
void save_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);

// The checkpoint that `folder`/latest names, else the one of the highest step that is whole; `warn`
// is then told why the first was not taken. Its tensors lie in the mapped file, which they keep.
// Throws Error when there is none, with the reason that the first was refused for.
Checkpoint load_checkpoint(const std::filesystem::path& folder,
                           const std::function<void(const std::string&)>& warn = {});

}  // namespace headrace
