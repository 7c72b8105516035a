#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/device.h"
#include "kernels/kernel.h"

// How a device finds a kernel: for each operator a list of implementations, tried in order.
namespace headrace {

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

// `Context` is what the implementations of one device share.
template <typename Context>
struct Implementation {
  std::string_view name;  // "oneDNN", "vector"
  Prepared (*prepare)(const Context&, const KernelRequest&);
};

// One operator on a device: its implementations, fastest first, and how it wants its values to lie.
template <typename Context>
struct OperatorEntry {
  std::string_view op;
  std::vector<Implementation<Context>> implementations;
  LayoutProposal (*propose)(const Context&, const KernelRequest&);
};

// A device's operators, found by name.
template <typename Context>
class OperatorTable {
 public:
  explicit OperatorTable(std::vector<OperatorEntry<Context>> entries)
      : entries_(std::move(entries)) {
    std::ranges::sort(entries_, {}, &OperatorEntry<Context>::op);
  }

  // Null where the table has no such operator.
  const OperatorEntry<Context>* find(std::string_view op) const {
    const auto found = std::ranges::lower_bound(entries_, op, {}, &OperatorEntry<Context>::op);
    return found != entries_.end() && found->op == op ? &*found : nullptr;
  }

 private:
  std::vector<OperatorEntry<Context>> entries_;
};

// True where the node has this optional input or output.
bool has_input(const KernelRequest& request, size_t i);
bool has_output(const KernelRequest& request, size_t i);
// True when any output, or this one, is to be added to what lies there.
bool accumulates(const KernelRequest& request);
bool accumulates(const KernelRequest& request, size_t output);
// True when every present input and output lies row-major.
bool all_row_major(const KernelRequest& request);
// Everything row-major.
LayoutProposal row_major_proposal(const KernelRequest& request);

}  // namespace headrace
