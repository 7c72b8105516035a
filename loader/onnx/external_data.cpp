#include "loader/onnx/external_data.h"

#include <algorithm>
#include <system_error>

#include "graph/error.h"

namespace headrace {
namespace fs = std::filesystem;

ExternalData::ExternalData(const fs::path& folder) {
  std::error_code failed;
  folder_ = fs::weakly_canonical(folder.empty() ? fs::path(".") : folder, failed);
  if (failed) throw Error("{}: {}", folder.string(), failed.message());
}

std::shared_ptr<const MappedFile> ExternalData::open(const std::string& location,
                                                     const std::string& tensor) {
  const auto known = files_.find(location);
  if (known != files_.end()) return known->second;

  const fs::path relative(location);
  if (location.empty() || relative.is_absolute())
    throw Error("weight '{}': its file '{}' must be named relative to the model's folder", tensor,
                location);
  std::error_code failed;
  const fs::path target = fs::weakly_canonical(folder_ / relative, failed);
  if (failed) throw Error("weight '{}': file '{}': {}", tensor, location, failed.message());
  const auto [end_of_folder, rest] =
      std::mismatch(folder_.begin(), folder_.end(), target.begin(), target.end());
  if (end_of_folder != folder_.end() || rest == target.end())
    throw Error("weight '{}': its file '{}' lies outside the model's folder {}; refused", tensor,
                location, folder_.string());
  try {
    return files_[location] = MappedFile::open(target);
  } catch (const Error& error) {
    files_.erase(location);
    throw Error("weight '{}': {}", tensor, error.what());
  }
}

}  // namespace headrace
