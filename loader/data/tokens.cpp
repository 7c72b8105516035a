#include <algorithm>
#include <cstring>

#include "graph/error.h"
#include "loader/data/columns.h"
#include "loader/data/convert.h"
#include "loader/data/formats.h"
#include "loader/onnx/mapped_file.h"

namespace headrace {
namespace {

constexpr size_t kTokenBytes = sizeof(uint16_t);

class TokenDataset : public Dataset {
 public:
  TokenDataset(std::string path, std::span<const Field> inputs, std::span<const Field> targets)
      : Dataset(std::move(path), joined(inputs, targets)),
        file_(MappedFile::open(this->path())),
        length_(inputs[0].sample.elements()) {
    const size_t bytes = file_->bytes().size();
    if (bytes % kTokenBytes != 0)
      throw Error("{}: {} bytes are no sequence of 16-bit tokens", this->path(), bytes);
    tokens_ = static_cast<int64_t>(bytes / kTokenBytes);
    samples_ = std::max<int64_t>(tokens_ - 1, 0) / length_;
    if (samples_ == 0)
      throw Error("{}: {} tokens are too few for one sample of field '{}' {} and its next token",
                  this->path(), tokens_, inputs[0].name, to_string(inputs[0].sample));
    for (const Field& field : fields()) {
      if (is_float(field.sample.dtype))
        throw Error("{}: tokens are integers, field '{}' takes {}", this->path(), field.name,
                    to_string(field.sample));
      if (field.sample.elements() != length_)
        throw Error("{}: field '{}' expects {}, but the tokens of field '{}' are {}", this->path(),
                    field.name, to_string(field.sample), inputs[0].name,
                    to_string(inputs[0].sample));
      widen_.push_back(conversion(DType::u16, field.sample.dtype, false));
    }
  }

  int64_t samples() const override { return samples_; }

  void read(std::span<const int64_t> samples, size_t field, void* destination) const override {
    const int64_t shift = field == 0 ? 0 : 1;
    const auto length = static_cast<size_t>(length_);
    const size_t result_bytes = length * size_of(fields()[field].sample.dtype);
    auto* to = static_cast<std::byte*>(destination);
    try {
      for (const int64_t sample : samples) {
        HEADRACE_CHECK(sample >= 0 && sample < samples_, "sample {} of {}", sample, samples_);
        const auto first = static_cast<size_t>(sample * length_ + shift);
        widen_[field](file_->bytes().data() + first * kTokenBytes, to, length);
        to += result_bytes;
      }
    } catch (const Error& error) {
      throw Error("{}: field '{}': {}", path(), fields()[field].name, error.what());
    }
  }

  // Of every token that any field reads.
  std::pair<int64_t, int64_t> integer_range(size_t) const override {
    uint16_t smallest = UINT16_MAX, largest = 0;
    const std::byte* data = file_->bytes().data();
    for (int64_t i = 0; i <= samples_ * length_; ++i) {
      uint16_t token;
      std::memcpy(&token, data + static_cast<size_t>(i) * kTokenBytes, kTokenBytes);
      smallest = std::min(smallest, token);
      largest = std::max(largest, token);
    }
    return {smallest, largest};
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  int64_t length_, tokens_ = 0, samples_ = 0;
  std::vector<Conversion> widen_;
};

}  // namespace

std::unique_ptr<Dataset> open_tokens(const std::string& path, std::span<const Field> inputs,
                                     std::span<const Field> targets) {
  if (inputs.size() != 1 || targets.size() > 1)
    throw Error("{}: tokens feed one input and one target, the model has {} and {}", path,
                inputs.size(), targets.size());
  return std::make_unique<TokenDataset>(path, inputs, targets);
}

}  // namespace headrace
