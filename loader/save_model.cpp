#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "graph/error.h"
#include "loader/model.h"
#include "loader/onnx/model_source.h"
#include "loader/onnx/rewrite.h"
#include "loader/onnx/tensor_proto.h"
#include "loader/onnx/tensors.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestFile = (size_t{1} << 31) - 1;
constexpr int64_t kSmallestExternal = 1024;  // bytes; smaller tensors stay inside
constexpr int64_t kAlignment = 64;  // of external tensors, so that they can be used in place

// A file written beside its place and renamed into it; removed when that does not happen.
class PendingFile {
 public:
  explicit PendingFile(fs::path path)
      : path_(std::move(path)), temporary_(fmt::format("{}.{}.tmp", path_.string(), ::getpid())) {
    stream_.open(temporary_, std::ios::binary | std::ios::trunc);
    if (!stream_) throw RunError("{}: cannot be written: {}", path_.string(), std::strerror(errno));
  }
  ~PendingFile() {
    std::error_code ignored;
    if (!done_) fs::remove(temporary_, ignored);
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  std::ofstream& stream() { return stream_; }

  void close() {
    stream_.close();
    if (!stream_) throw RunError("{}: writing failed: {}", path_.string(), std::strerror(errno));
  }
  void rename() {
    std::error_code failed;
    fs::rename(temporary_, path_, failed);
    if (failed) throw RunError("{}: {}", path_.string(), failed.message());
    done_ = true;
  }

 private:
  fs::path path_, temporary_;
  std::ofstream stream_;
  bool done_ = false;
};

// What the source keeps in files of its own is brought inside: the written model does not lean on
// them.
void bring_inside(onnx::ModelProto& model, ModelSource& source) {
  for_each_tensor(model, [&](onnx::TensorProto& tensor) {
    if (!is_external(tensor)) return;
    write_tensor(read_tensor(tensor, nullptr, *source.external), tensor);
  });
}

void move_outside(onnx::TensorProto& tensor, const std::string& location, std::ofstream& data) {
  const int64_t padding = (kAlignment - data.tellp() % kAlignment) % kAlignment;
  data.write(std::string(static_cast<size_t>(padding), '\0').data(), padding);
  const auto offset = static_cast<int64_t>(data.tellp());
  const auto length = static_cast<int64_t>(tensor.raw_data().size());
  data.write(tensor.raw_data().data(), length);
  tensor.clear_raw_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto entry = [&](const char* key, const std::string& value) {
    auto& item = *tensor.add_external_data();
    item.set_key(key);
    item.set_value(value);
  };
  entry("location", location);
  entry("offset", std::to_string(offset));
  entry("length", std::to_string(length));
}

void write_proto(const onnx::ModelProto& model, PendingFile& file, const std::string& path) {
  if (model.ByteSizeLong() > kLargestFile)
    throw Error("{}: the model takes {} bytes and one ONNX file holds 2 GB; ask for external data",
                path, model.ByteSizeLong());
  model.SerializeToOstream(&file.stream());
}

// A reader that was given its own copy keeps the old contents when only the tensor that it was
// copied from gets new ones.
std::map<std::string, HostTensor> with_kept_copies(const ModelSource& source,
                                                   const onnx::ModelProto& from,
                                                   std::map<std::string, HostTensor> weights) {
  for (const auto& [name, place] : source.places)
    if (place.copy && weights.count(name) == 0 && weights.count(place.name) > 0)
      weights[name] = read_place(from, place, *source.external);
  return weights;
}

}  // namespace

void save_model(const Model& model, const std::string& path,
                const std::map<std::string, HostTensor>& weights, bool external_data) {
  ModelSource& source = *model.source;
  const auto& from = has_places(*source.proto, source.places) ? source.proto : source.imported();
  onnx::ModelProto written = *from;
  replace_weights(written, source.places, with_kept_copies(source, *from, weights));

  PendingFile file(path);
  if (!external_data) {
    bring_inside(written, source);
    check_model(written, path);
    write_proto(written, file, path);
    file.close();
    file.rename();
    return;
  }
  const fs::path data_path = path + ".data";
  const std::string location = data_path.filename().string();
  PendingFile data(data_path);
  bring_inside(written, source);
  for_each_tensor(written, [&](onnx::TensorProto& tensor) {
    if (static_cast<int64_t>(tensor.raw_data().size()) >= kSmallestExternal)
      move_outside(tensor, location, data.stream());
  });
  check_model(written, path);
  write_proto(written, file, path);
  data.close();
  file.close();
  data.rename();
  file.rename();
}

}  // namespace headrace
