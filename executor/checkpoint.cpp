#include "executor/checkpoint.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "graph/parse_number.h"
#include "loader/atomic_file.h"
#include "loader/safetensors.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormat = 1;
constexpr const char* kTensorsFile = "state.safetensors";
constexpr const char* kStateFile = "state.json";
constexpr const char* kPointer = "latest";
constexpr std::string_view kStepPrefix = "step-";
// A folder on its way in or out: never a checkpoint, swept away by the next save.
constexpr std::string_view kPassingPrefix = ".passing-";

// In state.safetensors: parameter:NAME, state:NAME, optimizer:STATE:NAME.
constexpr std::string_view kParameter = "parameter:";
constexpr std::string_view kState = "state:";
constexpr std::string_view kOptimizer = "optimizer:";

std::string step_name(int64_t step) { return fmt::format("{}{:08}", kStepPrefix, step); }

std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kStepPrefix)) return std::nullopt;
  const auto step = parse_number<int64_t>(std::string_view(name).substr(kStepPrefix.size()));
  return step && *step >= 0 ? step : std::nullopt;
}

// The name that `latest` holds, empty when there is none.
std::string pointed_to(const fs::path& folder) {
  std::ifstream file(folder / kPointer);
  std::string name;
  std::getline(file, name);
  return step_of(name) ? name : std::string();
}

// Folders of checkpoints: the one that `latest` names, then by descending step.
std::vector<std::string> candidates(const fs::path& folder, const std::string& latest) {
  std::vector<std::pair<int64_t, std::string>> found;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed))
    if (const auto step = step_of(entry.path().filename().string()))
      found.emplace_back(*step, entry.path().filename().string());
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> names;
  for (auto& [step, name] : found) names.push_back(std::move(name));
  const auto pointed = std::find(names.begin(), names.end(), latest);
  if (pointed != names.end()) std::rotate(names.begin(), pointed, pointed + 1);
  return names;
}

Safetensors tensors_of(const Checkpoint& checkpoint) {
  Safetensors file;
  const auto add = [&](std::string_view prefix, const std::string& name, const HostTensor& tensor) {
    file.tensors.emplace(fmt::format("{}{}", prefix, name), tensor);
  };
  for (const auto& [name, tensor] : checkpoint.parameters) add(kParameter, name, tensor);
  for (const auto& [name, tensor] : checkpoint.states) add(kState, name, tensor);
  for (const auto& [parameter, states] : checkpoint.optimizer)
    for (const auto& [state, tensor] : states) {
      HEADRACE_CHECK(state.find(':') == std::string::npos, "state '{}'", state);
      add(kOptimizer, fmt::format("{}:{}", state, parameter), tensor);
    }
  return file;
}

void place(Checkpoint& checkpoint, const std::string& label, std::string_view name,
           HostTensor tensor) {
  if (name.starts_with(kParameter)) {
    checkpoint.parameters[std::string(name.substr(kParameter.size()))] = std::move(tensor);
  } else if (name.starts_with(kState)) {
    checkpoint.states[std::string(name.substr(kState.size()))] = std::move(tensor);
  } else {
    const size_t colon =
        name.starts_with(kOptimizer) ? name.find(':', kOptimizer.size()) : std::string_view::npos;
    if (colon == std::string_view::npos) throw Error("{}: unknown tensor '{}'", label, name);
    const std::string state(name.substr(kOptimizer.size(), colon - kOptimizer.size()));
    checkpoint.optimizer[std::string(name.substr(colon + 1))][state] = std::move(tensor);
  }
}

json description_of(const Checkpoint& checkpoint, size_t tensors) {
  return {{"format", kFormat},
          {"step", checkpoint.step},
          {"epoch", checkpoint.data.epoch},
          {"batch", checkpoint.data.batch},
          {"seed", checkpoint.seed},
          {"tensors", tensors},
          {"config", checkpoint.config}};
}

Checkpoint load_one(const fs::path& folder) {
  const fs::path state_path = folder / kStateFile;
  std::ifstream state_file(state_path);
  if (!state_file) throw Error("{}: cannot be read", state_path.string());
  Checkpoint checkpoint;
  size_t tensors = 0;
  try {
    const json state = json::parse(state_file);
    if (const int format = state.at("format").get<int>(); format != kFormat)
      throw Error("{}: format {}; this program reads {}", state_path.string(), format, kFormat);
    checkpoint.step = state.at("step").get<int64_t>();
    checkpoint.data = {state.at("epoch").get<int64_t>(), state.at("batch").get<int64_t>()};
    checkpoint.seed = state.at("seed").get<uint64_t>();
    tensors = state.at("tensors").get<size_t>();
    checkpoint.config = state.at("config").get<std::map<std::string, std::string>>();
  } catch (const json::exception& error) {
    throw Error("{}: {}", state_path.string(), error.what());
  }
  const fs::path tensors_path = folder / kTensorsFile;
  Safetensors file = read_safetensors(tensors_path);
  if (file.tensors.size() != tensors)
    throw Error("{}: {} tensors, {} were written", tensors_path.string(), file.tensors.size(),
                tensors);
  for (auto& [name, tensor] : file.tensors)
    place(checkpoint, tensors_path.string(), name, std::move(tensor));
  return checkpoint;
}

bool is_whole(const fs::path& folder) {
  try {
    load_one(folder);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Takes the folder out of sight in one step before removing it file by file.
void remove_folder(const fs::path& folder, const std::string& name) {
  const fs::path passing = folder / fmt::format("{}{}", kPassingPrefix, name);
  fs::remove_all(passing);
  fs::rename(folder / name, passing);
  fs::remove_all(passing);
}

void sweep(const fs::path& folder) {
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with(kPassingPrefix))
      leftovers.push_back(entry.path());
  for (const fs::path& leftover : leftovers) fs::remove_all(leftover);
}

// Puts a finished folder where the checkpoint of the same step may lie already.
void move_into_place(const fs::path& folder, const fs::path& finished, const std::string& name) {
  const fs::path destination = folder / name;
  if (!fs::exists(destination)) {
    fs::rename(finished, destination);
  } else if (::renameat2(AT_FDCWD, finished.c_str(), AT_FDCWD, destination.c_str(),
                         RENAME_EXCHANGE) != 0) {
    // This file system cannot exchange two folders.
    remove_folder(folder, name);
    fs::rename(finished, destination);
  }
  flush_folder(folder);
}

void save(const fs::path& folder, const Checkpoint& checkpoint) {
  sweep(folder);
  const std::string name = step_name(checkpoint.step);
  const std::string previous = pointed_to(folder);
  const fs::path unfinished = folder / fmt::format("{}new", kPassingPrefix);
  fs::create_directory(unfinished);
  const Safetensors tensors = tensors_of(checkpoint);
  write_safetensors(unfinished / kTensorsFile, tensors);
  AtomicFile state(unfinished / kStateFile);
  state.write(description_of(checkpoint, tensors.tensors.size()).dump(2) + "\n");
  state.commit();
  move_into_place(folder, unfinished, name);

  AtomicFile pointer(folder / kPointer);
  pointer.write(name + "\n");
  pointer.commit();

  bool kept = false;
  for (const std::string& other : candidates(folder, previous)) {
    if (other == name) continue;
    if (!kept && is_whole(folder / other)) {
      kept = true;
    } else {
      remove_folder(folder, other);
    }
  }
  sweep(folder);
}

}  // namespace

void save_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) throw Error("{}: {}", folder.string(), failed.message());
  try {
    save(folder, checkpoint);
  } catch (const fs::filesystem_error& error) {
    throw RunError("checkpoint in {}: {}", folder.string(), error.what());
  }
}

Checkpoint load_checkpoint(const fs::path& folder,
                           const std::function<void(const std::string&)>& warn) {
  std::string reason;
  for (const std::string& name : candidates(folder, pointed_to(folder))) {
    try {
      Checkpoint checkpoint = load_one(folder / name);
      if (!reason.empty() && warn) warn(fmt::format("took {} instead: {}", name, reason));
      return checkpoint;
    } catch (const Error& error) {
      if (reason.empty()) reason = error.what();
    }
  }
  throw Error("{}: no whole checkpoint{}", folder.string(),
              reason.empty() ? " here" : fmt::format(": {}", reason));
}

}  // namespace headrace
