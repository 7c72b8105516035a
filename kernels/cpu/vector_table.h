#pragma once

#include "kernels/cpu/vector/table.h"

namespace headrace::cpu {

// The inner loops for the widest instruction set that this processor has; HEADRACE_CPU_ISA
// (baseline, avx2, avx512) in the environment asks for a narrower one.
const vector::Table& vector_table();

}  // namespace headrace::cpu
