#include "kernels/cpu/implementation.h"

namespace headrace::cpu {

dnnl::engine& engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

}  // namespace headrace::cpu
