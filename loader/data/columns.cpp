#include "loader/data/columns.h"

#include <algorithm>
#include <array>
#include <limits>

#include "graph/error.h"

namespace headrace {
namespace {

Shape without_ones(std::span<const int64_t> shape) {
  Shape rest;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(rest),
               [](int64_t d) { return d != 1; });
  return rest;
}

// The same elements in the same order: equal up to dimensions of 1, or one of the two is flat.
// Equal counts alone would take [32, 32, 3] for [3, 32, 32].
bool feeds(std::span<const int64_t> found, const Shape& wanted) {
  const Shape a = without_ones(found);
  const Shape b = without_ones(wanted);
  return a == b || (element_count(a) == element_count(b) && (a.size() <= 1 || b.size() <= 1));
}

std::string expected(const TensorType& sample) {
  std::string shape = "[N";
  for (const int64_t dimension : sample.shape) shape += fmt::format(", {}", dimension);
  return fmt::format("{}{}]", name_of(sample.dtype), shape);
}

}  // namespace

std::vector<Field> joined(std::span<const Field> inputs, std::span<const Field> targets) {
  std::vector<Field> fields(inputs.begin(), inputs.end());
  fields.insert(fields.end(), targets.begin(), targets.end());
  return fields;
}

ColumnDataset::ColumnDataset(std::string path, std::span<const Field> inputs,
                             std::span<const Field> targets, std::vector<Column> columns)
    : Dataset(std::move(path), joined(inputs, targets)) {
  HEADRACE_CHECK(columns.size() == fields().size());
  for (size_t i = 0; i < columns.size(); ++i) {
    const TensorType& sample = fields()[i].sample;
    const TensorType& found = columns[i].values.type;
    const std::span<const int64_t> shape = found.shape;
    if (shape.empty() || !feeds(shape.subspan(1), sample.shape))
      throw Error("{}: field '{}' expects {}, found {}", columns[i].label, fields()[i].name,
                  expected(sample), to_string(found));
    const Conversion convert = conversion(found.dtype, sample.dtype, i < inputs.size());
    if (convert == nullptr)
      throw Error("{}: field '{}' expects {}, found {}: save it as integers", columns[i].label,
                  fields()[i].name, expected(sample), to_string(found));
    if (i == 0) samples_ = shape[0];
    if (shape[0] != samples_)
      throw Error("{}: {} samples for field '{}', but {} for field '{}' in {}", columns[i].label,
                  shape[0], fields()[i].name, samples_, fields()[0].name, sources_[0].column.label);
    const auto elements = static_cast<size_t>(sample.elements());
    sources_.push_back({std::move(columns[i]), convert, elements, elements * size_of(found.dtype),
                        static_cast<size_t>(sample.bytes())});
  }
}

void ColumnDataset::read(std::span<const int64_t> samples, size_t field, void* destination) const {
  const Source& source = sources_[field];
  auto* to = static_cast<std::byte*>(destination);
  const std::byte* from = source.column.values.data.get();
  try {
    for (const int64_t sample : samples) {
      HEADRACE_CHECK(sample >= 0 && sample < samples_, "sample {} of {}", sample, samples_);
      source.convert(from + static_cast<size_t>(sample) * source.row_bytes, to, source.elements);
      to += source.result_bytes;
    }
  } catch (const Error& error) {
    throw Error("{}: field '{}': {}", source.column.label, fields()[field].name, error.what());
  }
}

std::pair<int64_t, int64_t> ColumnDataset::integer_range(size_t field) const {
  const Source& source = sources_[field];
  const HostTensor& values = source.column.values;
  const Conversion widen = conversion(values.type.dtype, DType::i64, false);
  HEADRACE_CHECK(widen != nullptr, "{} holds no integers", source.column.label);
  int64_t smallest = std::numeric_limits<int64_t>::max();
  int64_t largest = std::numeric_limits<int64_t>::min();
  std::array<int64_t, 1024> chunk;
  const auto elements = static_cast<size_t>(values.type.elements());
  for (size_t done = 0; done < elements; done += chunk.size()) {
    const size_t count = std::min(chunk.size(), elements - done);
    widen(values.data.get() + done * size_of(values.type.dtype),
          reinterpret_cast<std::byte*>(chunk.data()), count);
    const auto [low, high] = std::minmax_element(chunk.begin(), chunk.begin() + count);
    smallest = std::min(smallest, *low);
    largest = std::max(largest, *high);
  }
  return {smallest, largest};
}

}  // namespace headrace
