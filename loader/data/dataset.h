#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/tensor_type.h"

namespace headrace {

// What one of the model's inputs or targets takes from a data set.
struct Field {
  std::string name;
  TensorType sample;  // without the batch axis
};

// Samples in memory or in mapped files. Const and safe to read from several threads.
class Dataset {
 public:
  Dataset(std::string path, std::vector<Field> fields)
      : path_(std::move(path)), fields_(std::move(fields)) {}
  virtual ~Dataset() = default;

  const std::string& path() const { return path_; }
  std::span<const Field> fields() const { return fields_; }  // inputs, then targets

  virtual int64_t samples() const = 0;

  // Writes the field's values of the samples (each in [0, samples())), one after the other, in the
  // field's dtype. Allocates nothing. Throws Error naming file and field when a value does not fit.
  virtual void read(std::span<const int64_t> samples, size_t field, void* destination) const = 0;

  // Smallest and largest value of a field of an integer dtype over all samples: for checking
  // tokens against a vocabulary and labels against the number of classes. Reads everything.
  virtual std::pair<int64_t, int64_t> integer_range(size_t field) const = 0;

 private:
  std::string path_;
  std::vector<Field> fields_;
};

// Opens what lies at `path` and binds its arrays to the fields:
// - `.npz`, or a folder of `.npy` (mapped): arrays by field name, samples along the first axis. A
//   single input may also be named x, input, inputs, image, images or ids; a single target target,
//   targets, y, label or labels.
// - IDX images with labels, raw (mapped) or .gz: the path names the images file, the common prefix
//   (".../train" for .../train-images-idx3-ubyte.gz) or a folder with one such pair.
// - token `.bin`: little-endian uint16, mapped. Sample i is the tokens [i*T, i*T + T), its target
//   the same shifted by one; T is the elements of the input field, samples = (tokens - 1) / T.
// - `.csv` with a header line and numbers: a scalar field takes the column of its name; a single
//   target may also be named as above, else it takes the last column(s); the inputs take the other
//   columns in order.
// Conversions: uint8 inputs of float fields are divided by 255; integers and bool widen to any
// integer or float, or narrow where every value fits; floats become other floats. An array feeds a
// field of the same shape up to dimensions of 1, or flattened: [N, 28, 28] feeds [1, 28, 28],
// [28, 28] and [784].
// Throws one Error that names file, field, the expected and the found shape.
std::unique_ptr<Dataset> open_dataset(const std::string& path, std::span<const Field> inputs,
                                      std::span<const Field> targets);

}  // namespace headrace
