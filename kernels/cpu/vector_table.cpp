#include "kernels/cpu/vector_table.h"

#include <cstdlib>
#include <string_view>

#include "graph/error.h"

namespace headrace::cpu {
namespace {

const vector::Table& choose() {
  // The features of x86-64-v3 and v4 that a processor or a hypervisor may lack one by one.
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512cd") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const char* wish = std::getenv("HEADRACE_CPU_ISA");
  const std::string_view isa = wish ? wish : has_avx512 ? "avx512" : has_avx2 ? "avx2" : "baseline";
  if (isa == "avx512" && has_avx512) return avx512::table;
  if (isa == "avx2" && has_avx2) return avx2::table;
  if (isa == "baseline") return baseline::table;
  throw Error("HEADRACE_CPU_ISA={}: this processor has baseline{}{}", isa, has_avx2 ? ", avx2" : "",
              has_avx512 ? ", avx512" : "");
}

}  // namespace

const vector::Table& vector_table() {
  static const vector::Table& table = choose();
  return table;
}

}  // namespace headrace::cpu
