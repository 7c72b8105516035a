#include "tests/gpu/under_test.h"

#include <cstdlib>

namespace headrace {

std::string device_under_test() {
  const char* device = std::getenv("HEADRACE_GPU_DEVICE");
  return device == nullptr ? "cuda:0" : device;
}

std::string two_devices_under_test() { return device_under_test() + "," + device_under_test(); }

}  // namespace headrace
