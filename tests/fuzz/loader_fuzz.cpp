// Any bytes are a model that loads or one Error; everything else is a finding. CMakeLists.txt
// limits what constants may take, so that memory stays within the file's size class.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "graph/error.h"
#include "kernels/evaluate.h"
#include "loader/model.h"

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
  options.evaluate = headrace::evaluate;
  try {
    headrace::load_model(path, options);
  } catch (const headrace::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const MemoryFile file;
  const std::string path = file.holding(data, size);
  load(path, true);
  load(path, false);
  return 0;
}
