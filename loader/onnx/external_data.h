#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "loader/onnx/mapped_file.h"

namespace headrace {

// The files beside a model that hold its external tensors, each mapped once. Every location must
// stay inside the model's folder after symbolic links are followed.
class ExternalData {
 public:
  explicit ExternalData(const std::filesystem::path& folder);

  // Throws Error for an absolute location, one that leaves the folder, or an unreadable file.
  std::shared_ptr<const MappedFile> open(const std::string& location, const std::string& tensor);

 private:
  std::filesystem::path folder_;  // canonical
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

}  // namespace headrace
