#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include "graph/error.h"
#include "loader/data/columns.h"
#include "loader/data/formats.h"
#include "loader/onnx/mapped_file.h"

namespace headrace {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53

std::string_view trimmed(std::string_view cell) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!cell.empty() && blank(cell.front())) cell.remove_prefix(1);
  while (!cell.empty() && blank(cell.back())) cell.remove_suffix(1);
  if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"')
    cell = cell.substr(1, cell.size() - 2);
  return cell;
}

// Takes the next line without its newline; false at the end.
bool next_line(std::string_view& rest, std::string_view& line) {
  if (rest.empty()) return false;
  const size_t end = rest.find('\n');
  line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return true;
}

// Takes the next cell; a quoted one may hold commas.
std::string_view next_cell(std::string_view& rest) {
  size_t from = 0;
  if (!rest.empty() && rest.front() == '"') {
    const size_t closing = rest.find('"', 1);
    if (closing != std::string_view::npos) from = closing + 1;
  }
  const size_t end = rest.find(',', from);
  const std::string_view cell = trimmed(rest.substr(0, end));
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return cell;
}

bool parse_number(std::string_view cell, double& value) {
  if (cell.starts_with('+')) cell.remove_prefix(1);
  const auto [end, failed] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return failed == std::errc() && end == cell.data() + cell.size() && std::isfinite(value);
}

// Also "3.0", as some programs write integers.
bool parse_integer(std::string_view cell, int64_t& value) {
  if (cell.starts_with('+')) cell.remove_prefix(1);
  const auto [end, failed] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (failed == std::errc() && end == cell.data() + cell.size()) return true;
  double number = 0;
  if (!parse_number(cell, number) || std::trunc(number) != number ||
      std::abs(number) > kLargestExactInteger)
    return false;
  value = static_cast<int64_t>(number);
  return true;
}

// Where the cells of one column go: nowhere, or to one place of each of a field's rows.
struct Destination {
  DType dtype = DType::f32;  // f32, f64 or i64
  std::byte* next = nullptr;
  size_t stride = 0;
};

class CsvFile {
 public:
  explicit CsvFile(const std::string& path) : path_(path), file_(MappedFile::open(path)) {
    body_ = {reinterpret_cast<const char*>(file_->bytes().data()), file_->bytes().size()};
    if (body_.starts_with(kByteOrderMark)) body_.remove_prefix(kByteOrderMark.size());
    std::string_view header;
    if (!next_line(body_, header) || trimmed(header).empty())
      throw Error("{}: its first line must name the columns", path);
    bool all_numbers = true;
    do {
      names_.emplace_back(next_cell(header));
      double ignored = 0;
      all_numbers = all_numbers && parse_number(names_.back(), ignored);
    } while (!header.empty());
    if (all_numbers)
      throw Error("{}: its first line holds numbers; expected the columns' names", path);
    std::string_view rest = body_, line;
    while (next_line(rest, line))
      if (!trimmed(line).empty()) ++rows_;
  }

  const std::vector<std::string>& names() const { return names_; }
  int64_t rows() const { return rows_; }

  // Parses every row; destinations are those of the columns in order.
  void read(std::vector<Destination> destinations) const {
    std::string_view rest = body_, line;
    for (int64_t number = 2; next_line(rest, line); ++number)
      if (!trimmed(line).empty()) read_row(line, number, destinations);
  }

 private:
  void read_row(std::string_view line, int64_t number,
                std::vector<Destination>& destinations) const {
    for (size_t i = 0; i < destinations.size(); ++i) {
      if (line.empty())
        throw Error("{}:{}: {} cells, the header names {}", path_, number, i, destinations.size());
      read_cell(next_cell(line), number, i, destinations[i]);
    }
    if (!trimmed(line).empty())
      throw Error("{}:{}: more cells than the {} that the header names", path_, number,
                  destinations.size());
  }

  void read_cell(std::string_view cell, int64_t number, size_t column, Destination& to) const {
    if (to.next == nullptr) return;
    if (to.dtype == DType::i64) {
      int64_t value = 0;
      if (!parse_integer(cell, value)) refuse(cell, number, column, "an integer");
      std::memcpy(to.next, &value, sizeof value);
    } else {
      double value = 0;
      if (!parse_number(cell, value)) refuse(cell, number, column, "a finite number");
      if (to.dtype == DType::f64) {
        std::memcpy(to.next, &value, sizeof value);
      } else {
        const auto narrow = static_cast<float>(value);
        std::memcpy(to.next, &narrow, sizeof narrow);
      }
    }
    to.next += to.stride;
  }

  [[noreturn]] void refuse(std::string_view cell, int64_t number, size_t column,
                           std::string_view wanted) const {
    throw Error("{}:{}: column '{}': '{}' is not {}", path_, number, names_[column], cell, wanted);
  }

  const std::string& path_;
  std::shared_ptr<const MappedFile> file_;
  std::string_view body_;  // after the header line
  std::vector<std::string> names_;
  int64_t rows_ = 0;
};

// Which columns feed which field: columns[i] are those of the i-th of inputs, then targets.
class ColumnPlan {
 public:
  ColumnPlan(const std::string& path, const std::vector<std::string>& names,
             std::span<const Field> inputs, std::span<const Field> targets)
      : path_(path), names_(names), taken_(names.size(), false) {
    columns_.resize(inputs.size() + targets.size());
    for (size_t i = 0; i < inputs.size(); ++i) take_by_name(inputs[i], columns_[i]);
    for (size_t i = 0; i < targets.size(); ++i)
      take_target(targets[i], targets.size(), columns_[inputs.size() + i]);
    take_features(inputs);
  }

  const std::vector<std::vector<size_t>>& columns() const { return columns_; }

 private:
  bool take(std::string_view name, std::vector<size_t>& columns) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    const auto index = static_cast<size_t>(found - names_.begin());
    if (found == names_.end() || taken_[index]) return false;
    taken_[index] = true;
    columns.push_back(index);
    return true;
  }

  bool take_by_name(const Field& field, std::vector<size_t>& columns) {
    return field.sample.elements() == 1 && take(field.name, columns);
  }

  void take_target(const Field& field, size_t targets, std::vector<size_t>& columns) {
    if (take_by_name(field, columns)) return;
    if (targets > 1)
      throw Error("{}: no column '{}' for this target {}; it has {}", path_, field.name,
                  to_string(field.sample), fmt::join(names_, ", "));
    const auto wanted = static_cast<size_t>(field.sample.elements());
    if (wanted == 1)
      for (const std::string_view alias : kTargetAliases)
        if (take(alias, columns)) return;
    for (size_t i = names_.size(); i-- > 0 && columns.size() < wanted;) {
      if (taken_[i]) continue;
      taken_[i] = true;
      columns.insert(columns.begin(), i);
    }
    if (columns.size() < wanted)
      throw Error("{}: target '{}' expects {}, found {} columns", path_, field.name,
                  to_string(field.sample), names_.size());
  }

  void take_features(std::span<const Field> inputs) {
    std::vector<size_t> features;
    for (size_t i = 0; i < names_.size(); ++i)
      if (!taken_[i]) features.push_back(i);
    size_t wanted = 0, dealt = 0;
    std::string fields;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!columns_[i].empty()) continue;
      const auto count = static_cast<size_t>(inputs[i].sample.elements());
      for (size_t j = 0; j < count && dealt < features.size(); ++j)
        columns_[i].push_back(features[dealt++]);
      wanted += count;
      fields += fmt::format("{}'{}' {}", fields.empty() ? "" : ", ", inputs[i].name,
                            to_string(inputs[i].sample));
    }
    if (wanted != features.size())
      throw Error("{}: {} expects {} feature columns, found {} beside the target", path_,
                  fields.empty() ? "no further field" : fields, wanted, features.size());
  }

  const std::string& path_;
  const std::vector<std::string>& names_;
  std::vector<bool> taken_;
  std::vector<std::vector<size_t>> columns_;
};

DType stored_as(DType wanted) {
  if (wanted == DType::f64) return DType::f64;
  return is_float(wanted) ? DType::f32 : DType::i64;
}

}  // namespace

std::unique_ptr<Dataset> open_csv(const std::string& path, std::span<const Field> inputs,
                                  std::span<const Field> targets) {
  const CsvFile file(path);
  const ColumnPlan plan(path, file.names(), inputs, targets);
  const std::vector<Field> fields = joined(inputs, targets);
  std::vector<Destination> destinations(file.names().size());
  std::vector<Column> columns;
  for (size_t i = 0; i < fields.size(); ++i) {
    const DType dtype = stored_as(fields[i].sample.dtype);
    const std::vector<size_t>& from = plan.columns()[i];
    auto [values, bytes] =
        allocate_host_tensor({dtype, {file.rows(), fields[i].sample.elements()}});
    for (size_t j = 0; j < from.size(); ++j)
      destinations[from[j]] = {dtype, bytes + j * size_of(dtype), from.size() * size_of(dtype)};
    columns.push_back({path, std::move(values)});
  }
  file.read(std::move(destinations));
  return std::make_unique<ColumnDataset>(path, inputs, targets, std::move(columns));
}

}  // namespace headrace
