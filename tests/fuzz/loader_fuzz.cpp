// Any bytes are a model that loads or one Error; everything else is a finding. CMakeLists.txt
// limits what constants may take, so that memory stays within the file's size class. Models are
// mutated field by field (mutate_model.h), one time in eight as bytes.
#include <google/protobuf/stubs/logging.h>
#include <onnx/onnx_pb.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "graph/error.h"
#include "kernels/evaluate.h"
#include "loader/model.h"
#include "tests/fuzz/mutate_model.h"

namespace {

// A file that exists in memory only, rewritten for every input.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("model.onnx", 0)) {
    if (descriptor_ < 0) std::abort();
  }

  std::string holding(const uint8_t* data, size_t size) const {
    if (ftruncate(descriptor_, 0) != 0 ||
        pwrite(descriptor_, data, size, 0) != static_cast<ssize_t>(size))
      std::abort();
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }

 private:
  int descriptor_;
};

void load(const std::string& path, bool training) {
  headrace::LoadOptions options;
  options.batch = 2;
  options.training = training;
  options.training_step = training;
  options.evaluate = headrace::evaluate;
  try {
    headrace::load_model(path, options);
  } catch (const headrace::Error&) {
  }
}

// 0 where the model is too large to write.
size_t write(const onnx::ModelProto& model, uint8_t* data, size_t max_size) {
  const size_t size = model.ByteSizeLong();
  if (size > max_size || !model.SerializeToArray(data, static_cast<int>(size))) return 0;
  return size;
}

bool parse(onnx::ModelProto& model, const uint8_t* data, size_t size) {
  const google::protobuf::LogSilencer no_text_on_stderr;
  return model.ParseFromArray(data, static_cast<int>(size)) && model.has_graph();
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  onnx::ModelProto model;
  if (seed % 8 == 0 || !parse(model, data, size)) return LLVMFuzzerMutate(data, size, max_size);
  headrace::mutate_model(model, seed, LLVMFuzzerMutate);
  const size_t written = write(model, data, max_size);
  return written > 0 ? written : size;
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* a, size_t a_size, const uint8_t* b,
                                            size_t b_size, uint8_t* out, size_t max_out_size,
                                            unsigned seed) {
  onnx::ModelProto model, other;
  if (!parse(model, a, a_size) || !parse(other, b, b_size)) return 0;
  headrace::cross_models(model, other, seed);
  return write(model, out, max_out_size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const MemoryFile file;
  const std::string path = file.holding(data, size);
  load(path, true);
  load(path, false);
  return 0;
}
