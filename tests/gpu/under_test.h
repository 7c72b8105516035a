#pragma once

#include <string>

// The devices that gpu_tests checks, one of them or lists as in `--devices`. They are plugins' as a
// rule: HEADRACE_GPU_DEVICE, else "cuda:0". CTest names the CPU there, to see that the checks
// themselves are sound where no GPU is.
namespace headrace {

std::string device_under_test();
// Two devices on the hardware of the one above.
std::string two_devices_under_test();

}  // namespace headrace
