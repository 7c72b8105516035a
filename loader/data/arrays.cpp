#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

#include "graph/error.h"
#include "graph/nearest.h"
#include "loader/data/columns.h"
#include "loader/data/formats.h"
#include "loader/npz.h"

namespace headrace {
namespace {

// The key of the array for one of `fields`: its own name, or an alias where it is the only one.
std::optional<std::string> find_key(const Field& field, size_t fields,
                                    std::span<const std::string_view> aliases,
                                    const std::vector<std::string>& keys) {
  const auto has = [&](std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  if (has(field.name)) return field.name;
  if (fields == 1)
    for (const std::string_view alias : aliases)
      if (has(alias)) return std::string(alias);
  return std::nullopt;
}

std::unique_ptr<Dataset> open_arrays(const std::string& path, std::span<const Field> inputs,
                                     std::span<const Field> targets,
                                     const std::vector<std::string>& keys,
                                     const std::function<Column(const std::string& key)>& load) {
  std::vector<Column> columns;
  const auto bind = [&](std::span<const Field> fields, std::span<const std::string_view> aliases) {
    for (const Field& field : fields) {
      const auto key = find_key(field, fields.size(), aliases, keys);
      if (!key)
        throw Error("{}: no array named '{}' for a field {}; it holds {}{}", path, field.name,
                    to_string(field.sample), fmt::join(keys, ", "),
                    keys.empty() ? "nothing"
                                 : fmt::format("; did you mean '{}'?", nearest(field.name, keys)));
      columns.push_back(load(*key));
    }
  };
  bind(inputs, kInputAliases);
  bind(targets, kTargetAliases);
  return std::make_unique<ColumnDataset>(path, inputs, targets, std::move(columns));
}

}  // namespace

std::unique_ptr<Dataset> open_npz(const std::string& path, std::span<const Field> inputs,
                                  std::span<const Field> targets) {
  const NpzFile file(path);
  return open_arrays(path, inputs, targets, file.names(), [&](const std::string& key) {
    return Column{fmt::format("{}: '{}'", path, key), file.read(key)};
  });
}

std::unique_ptr<Dataset> open_npy_folder(const std::string& path, std::span<const Field> inputs,
                                         std::span<const Field> targets) {
  std::vector<std::string> keys;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    if (entry.path().extension() == ".npy") keys.push_back(entry.path().stem().string());
  std::sort(keys.begin(), keys.end());
  return open_arrays(path, inputs, targets, keys, [&](const std::string& key) {
    const std::filesystem::path file = std::filesystem::path(path) / (key + ".npy");
    return Column{file.string(), read_npy(file)};
  });
}

}  // namespace headrace
