#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/host_tensor.h"
#include "loader/data/convert.h"
#include "loader/data/dataset.h"

namespace headrace {

// An array of a file, samples along its first axis.
struct Column {
  std::string label;  // what errors call it: a file, with the member's name
  HostTensor values;
};

// A data set that holds one array for each field.
class ColumnDataset : public Dataset {
 public:
  // columns[i] feeds the i-th of inputs, then targets. Throws Error when an array's shape or dtype
  // cannot feed its field or the arrays differ in their number of samples.
  ColumnDataset(std::string path, std::span<const Field> inputs, std::span<const Field> targets,
                std::vector<Column> columns);

  int64_t samples() const override { return samples_; }
  void read(std::span<const int64_t> samples, size_t field, void* destination) const override;
  std::pair<int64_t, int64_t> integer_range(size_t field) const override;

 private:
  struct Source {
    Column column;
    Conversion convert;
    size_t elements, row_bytes, result_bytes;  // of one sample
  };

  int64_t samples_ = 0;
  std::vector<Source> sources_;
};

// Inputs, then targets, as one list.
std::vector<Field> joined(std::span<const Field> inputs, std::span<const Field> targets);

}  // namespace headrace
