#include "kernels/cpu/vector_table.h"

#include <cstdlib>
#include <string_view>

#include "graph/error.h"

namespace headrace::cpu {
namespace {

const vector::Table& choose() {
  const bool has_avx2 = __builtin_cpu_supports("x86-64-v3");
  const bool has_avx512 = __builtin_cpu_supports("x86-64-v4");
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
