#pragma once

#include "kernels/host_device.h"

// The functors of this folder are compiled once per instruction set and once for CUDA, each time in
// a namespace of its own, so that the linker never takes one set's code for another's.
#ifndef HEADRACE_ISA
#define HEADRACE_ISA portable
#endif
