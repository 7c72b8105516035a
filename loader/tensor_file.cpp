#include "loader/tensor_file.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <filesystem>
#include <limits>

#include "graph/error.h"
#include "loader/onnx/mapped_file.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {

HostTensor read_tensor_file(const std::string& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    throw Error("{}: {} bytes are more than the 2 GB that an ONNX tensor can have", path,
                bytes.size());
  const auto proto = std::make_shared<onnx::TensorProto>();
  const google::protobuf::LogSilencer no_text_on_stderr;
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  if (bytes.empty() || !proto->ParseFromZeroCopyStream(&stream))
    throw Error("{}: not an ONNX tensor, or cut short", path);
  try {
    ExternalData beside(std::filesystem::path(path).parent_path());
    return read_tensor(*proto, proto, beside);
  } catch (const Error& error) {
    throw Error("{}: {}", path, error.what());
  }
}

}  // namespace headrace
