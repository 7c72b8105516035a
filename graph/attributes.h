#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/tensor_type.h"

namespace headrace {

using Attribute =
    std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

// An operator's settings by name. The getters throw InternalError when the kind is another:
// canonical operators fix the kind of each attribute (graph/ops/README.md).
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<const std::string, Attribute>> items)
      : items_(items) {}

  bool has(std::string_view name) const { return items_.find(name) != items_.end(); }
  void set(std::string name, Attribute value) { items_[std::move(name)] = std::move(value); }

  int64_t get_int(std::string_view name) const;
  int64_t get_int(std::string_view name, int64_t fallback) const;
  double get_float(std::string_view name) const;
  double get_float(std::string_view name, double fallback) const;
  const std::string& get_string(std::string_view name) const;
  std::string get_string(std::string_view name, std::string_view fallback) const;
  const std::vector<int64_t>& get_ints(std::string_view name) const;
  const std::vector<double>& get_floats(std::string_view name) const;

  const std::map<std::string, Attribute, std::less<>>& items() const { return items_; }
  bool operator==(const Attributes&) const = default;

 private:
  std::map<std::string, Attribute, std::less<>> items_;
};

// "axis=1, perm=[0, 2, 1]"
std::string to_string(const Attributes& attributes);

}  // namespace headrace
