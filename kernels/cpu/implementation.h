#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>

#include "kernels/implementation.h"

namespace headrace::cpu {

// What the implementations of one device share. Prepare and propose functions are called with the
// calling thread's OpenMP team already set to the device's size, which oneDNN reads when it
// chooses.
struct Context {
  dnnl::stream stream;
  int threads = 1;
};

using OperatorEntry = headrace::OperatorEntry<Context>;
using PrepareFunction = Prepared (*)(const Context&, const KernelRequest&);
using ProposeFunction = LayoutProposal (*)(const Context&, const KernelRequest&);

// The entry of an operator that has kernels of its own here, or null: the reference then runs it.
const OperatorEntry* find_operator(std::string_view op);

dnnl::engine& engine();  // the process's CPU engine

}  // namespace headrace::cpu
