#include <filesystem>

#include "graph/error.h"
#include "loader/data/dataset.h"
#include "loader/data/formats.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

bool holds_npy(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".npy") return true;
  return false;
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const std::string& path, std::span<const Field> inputs,
                                      std::span<const Field> targets) {
  HEADRACE_CHECK(!inputs.empty());
  for (const auto fields : {inputs, targets})
    for (const Field& field : fields)
      if (field.sample.elements() == 0)
        throw Error("{}: field '{}' takes empty samples {}", path, field.name,
                    to_string(field.sample));
  std::error_code failed;
  if (fs::is_directory(path, failed)) {
    if (holds_npy(path)) return open_npy_folder(path, inputs, targets);
    if (names_idx(path)) return open_idx(path, inputs, targets);
    throw Error("{}: this folder holds neither .npy files nor an IDX pair", path);
  }
  if (names_idx(path)) return open_idx(path, inputs, targets);
  if (!fs::exists(path, failed)) throw Error("{}: no such file or folder", path);
  const fs::path extension = fs::path(path).extension();
  if (extension == ".npz") return open_npz(path, inputs, targets);
  if (extension == ".bin") return open_tokens(path, inputs, targets);
  if (extension == ".csv") return open_csv(path, inputs, targets);
  throw Error(
      "{}: not a known kind of data: expected .npz, .bin, .csv, an IDX pair or a folder of .npy",
      path);
}

}  // namespace headrace
