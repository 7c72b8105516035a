#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "loader/data/dataset.h"

// The formats that open_dataset chooses from; each throws Error as it says.
namespace headrace {

std::unique_ptr<Dataset> open_npz(const std::string& path, std::span<const Field> inputs,
                                  std::span<const Field> targets);
std::unique_ptr<Dataset> open_npy_folder(const std::string& path, std::span<const Field> inputs,
                                         std::span<const Field> targets);
std::unique_ptr<Dataset> open_idx(const std::string& path, std::span<const Field> inputs,
                                  std::span<const Field> targets);
std::unique_ptr<Dataset> open_tokens(const std::string& path, std::span<const Field> inputs,
                                     std::span<const Field> targets);
std::unique_ptr<Dataset> open_csv(const std::string& path, std::span<const Field> inputs,
                                  std::span<const Field> targets);

// Whether open_idx knows a file, prefix or folder as its own, by name.
bool names_idx(const std::string& path);

// What a single input or target may be called in a file, in order of preference.
constexpr std::array<std::string_view, 6> kInputAliases = {"x",     "input",  "inputs",
                                                           "image", "images", "ids"};
constexpr std::array<std::string_view, 5> kTargetAliases = {"target", "targets", "y", "label",
                                                            "labels"};

}  // namespace headrace
