#pragma once

#include <fmt/format.h>

#include <concepts>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>
#include <string>
#include <string_view>

#include "kernels/device.h"
#include "kernels/kernel.h"

namespace headrace::cpu {

// What the implementations of one device share. Prepare and propose functions are called with the
// calling thread's OpenMP team already set to the device's size, which oneDNN reads when it
// chooses.
struct Context {
  dnnl::stream stream;
  int threads = 1;
};

// A kernel, or why this implementation leaves the request to the next one.
struct Prepared {
  std::unique_ptr<Kernel> kernel;
  std::string refusal;

  template <std::derived_from<Kernel> Made>
  // NOLINTNEXTLINE(google-explicit-constructor): prepare functions return what they made.
  Prepared(std::unique_ptr<Made> made) : kernel(std::move(made)) {}
  explicit Prepared(std::string why) : refusal(std::move(why)) {}
};

template <typename... Args>
Prepared refuse(fmt::format_string<Args...> format, Args&&... args) {
  return Prepared(fmt::format(format, std::forward<Args>(args)...));
}

using PrepareFunction = Prepared (*)(const Context&, const KernelRequest&);
using ProposeFunction = LayoutProposal (*)(const Context&, const KernelRequest&);

struct Implementation {
  std::string_view name;  // "oneDNN", "vector"
  PrepareFunction prepare;
};

// One operator on this device: its implementations, fastest first, and how it wants its values to
// lie.
struct OperatorEntry {
  std::string_view op;
  std::vector<Implementation> implementations;
  ProposeFunction propose;
};

// The entry of an operator that has kernels of its own here, or null: the reference then runs it.
const OperatorEntry* find_operator(std::string_view op);

// True where the node has this optional input or output.
bool has_input(const KernelRequest& request, size_t i);
bool has_output(const KernelRequest& request, size_t i);
// True when any output, or this one, is to be added to what lies there.
bool accumulates(const KernelRequest& request);
bool accumulates(const KernelRequest& request, size_t output);
// True when every present input and output lies row-major.
bool all_row_major(const KernelRequest& request);

dnnl::engine& engine();  // the process's CPU engine

}  // namespace headrace::cpu
