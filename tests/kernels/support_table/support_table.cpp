// Writes docs/operators.md: what the operator table of the tests finds each backend able to do.
//
//   support_table FILE           writes the page
//   support_table --check FILE   exits with 1 and says what to do where the page is another

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>

#include "graph/op_def.h"
#include "kernels/cpu/implementation.h"
#include "kernels/cuda/implementation.h"
#include "kernels/reference/reference.h"
#include "tests/kernels/operator_case.h"

namespace headrace {
namespace {

// What the table's graphs hold of one operator.
struct Support {
  std::set<std::string> forms;
  std::set<std::string> dtypes;  // of the first input
  size_t by_reference = 0;
  std::map<std::string, size_t> by_cpu, by_cuda;  // implementation -> forms
};

using SupportTable = std::map<std::string, Support, std::less<>>;

// The first of an operator's implementations that takes the request in the layouts it asks for;
// empty where there is none.
template <typename Context>
std::string first_implementation(const Context& context, const OperatorEntry<Context>* entry,
                                 KernelRequest request) {
  if (entry == nullptr) return {};
  const LayoutProposal proposal = entry->propose(context, request);
  request.input_layouts = proposal.inputs;
  request.output_layouts = proposal.outputs;
  for (const auto& implementation : entry->implementations)
    if (implementation.prepare(context, request).kernel) return std::string(implementation.name);
  return {};
}

std::string cpu_implementation(const KernelRequest& request) {
  static const cpu::Context context{dnnl::stream(cpu::engine()), 1};
  const std::string name =
      first_implementation(context, cpu::find_operator(request.node->op), request);
  if (!name.empty()) return name;
  return prepare_reference(request) ? "reference" : "none";
}

// Of the backend's own kernels: which of NVIDIA's libraries are asked before them is not known
// here.
std::string cuda_implementation(const KernelRequest& request) {
  const std::string name =
      first_implementation(cuda::Context{}, cuda::find_operator(request.node->op), request);
  return name.empty() ? "host" : name;
}

void count(const Graph& graph, const Node& node, SupportTable& table) {
  const KernelRequest request = kernel_request(graph, node);
  std::string form = to_string(node.attributes);
  for (const TensorType& type : request.input_types) form += " " + to_string(type);
  Support& support = table[node.op];
  if (!support.forms.insert(form).second) return;
  const auto& types = request.input_types.empty() ? request.output_types : request.input_types;
  support.dtypes.insert(std::string(name_of(types.at(0).dtype)));
  support.by_reference += prepare_reference(request) != nullptr;
  ++support.by_cpu[cpu_implementation(request)];
  ++support.by_cuda[cuda_implementation(request)];
}

SupportTable measure() {
  SupportTable table;
  for (const OperatorRow& row : operator_table()) {
    const OperatorCase c = make_case(row);
    for (const Node* node : c.nodes()) count(c.graph(), *node, table);
  }
  return table;
}

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// "vector", or where several implementations share the forms "vector 12, reference 3".
std::string joined(const std::map<std::string, size_t>& counts) {
  if (counts.size() == 1) return counts.begin()->first;
  std::vector<std::pair<size_t, std::string>> order;
  for (const auto& [name, forms] : counts) order.emplace_back(forms, name);
  std::sort(order.rbegin(), order.rend());
  std::string text;
  for (const auto& [forms, name] : order)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, forms);
  return text;
}

std::string page() {
  std::string text =
      "# Operators\n"
      "\n"
      "Generated from the operator table of the tests (`tests/kernels/operator_table.h`) by "
      "`support_table`; what each operator means stands in\n"
      "[graph/ops/README.md](../graph/ops/README.md). A form is one combination of attributes, "
      "shapes and dtypes in the table. Every form is compared with the\n"
      "reference on the CPU with one and two threads, and every gradient with finite "
      "differences.\n"
      "\n"
      "- gradient: whether the operator has a rule. Operators of the backward pass have none.\n"
      "- dtypes: of the first input, among the forms of the table.\n"
      "- CPU: the implementation that takes the form; \"reference\" is the plain loop.\n"
      "- CUDA: \"own\" is a kernel of the backend, \"host\" the way over the CPU; cuDNN and "
      "cuBLASLt "
      "are asked before both. The forms are compared with the reference\n"
      "  as the host's compiler makes these kernels.\n"
      "\n"
      "| operator | gradient | dtypes | forms | reference | CPU | CUDA |\n"
      "|---|---|---|---|---|---|---|\n";
  const auto table = measure();
  for (const OpDef* op : all_ops()) {
    const auto found = table.find(op->name);
    if (found == table.end()) continue;
    const Support& s = found->second;
    const size_t forms = s.forms.size();
    text += fmt::format(
        "| {} | {} | {} | {} | {} | {} | {} |\n", op->name, op->grad ? "yes" : "", joined(s.dtypes),
        forms, s.by_reference == forms ? "yes" : fmt::format("{} of {}", s.by_reference, forms),
        joined(s.by_cpu), joined(s.by_cuda));
  }
  return text;
}

std::string contents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int run(int argc, char** argv) {
  const bool check = argc == 3 && std::string_view(argv[1]) == "--check";
  if (argc != 2 && !check) {
    std::cerr << "usage: support_table [--check] FILE\n";
    return 2;
  }
  const char* path = argv[argc - 1];
  const std::string text = page();
  if (check) {
    if (contents(path) == text) return 0;
    std::cerr << path << " is not what the operator table gives. Write it anew:\n  " << argv[0]
              << " " << path << "\n";
    return 1;
  }
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw RunError("{} could not be written", path);
  return 0;
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  try {
    return headrace::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "support_table: " << error.what() << "\n";
    return 1;
  }
}
