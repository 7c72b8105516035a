#include <algorithm>

#include "kernels/cuda/families.h"

namespace headrace::cuda {
namespace {

OperatorEntry own(std::string_view op, PrepareFunction prepare,
                  ProposeFunction propose = propose_row_major) {
  return {op, {{"own", prepare}}, propose};
}
// Of libraries alone: this backend has no kernel of its own beside theirs.
OperatorEntry libraries_only(std::string_view op, ProposeFunction propose) {
  return {op, {}, propose};
}

const std::vector<OperatorEntry>& entries() {
  static const std::vector<OperatorEntry> table = [] {
    std::vector<OperatorEntry> list;
    for (std::string_view op :
         {"Neg",   "Abs",     "Exp",   "Log",      "Sqrt",        "Reciprocal", "Erf",
          "Tanh",  "Sigmoid", "Relu",  "Softplus", "Sin",         "Cos",        "Sinh",
          "Cosh",  "Asin",    "Acos",  "Atan",     "Asinh",       "Acosh",      "Atanh",
          "Floor", "Ceil",    "Round", "Sign",     "HardSigmoid", "HardSwish",  "LeakyRelu",
          "Elu",   "Clip",    "Gelu",  "Swish",    "Mish"})
      list.push_back(own(op, prepare_unary, propose_same));
    for (std::string_view op : {"Conv", "ConvInputGrad", "ConvWeightGrad"})
      list.push_back(libraries_only(op, propose_channels_last));
    std::ranges::sort(list, {}, &OperatorEntry::op);
    return list;
  }();
  return table;
}

}  // namespace

const OperatorEntry* find_operator(std::string_view op) {
  const auto& table = entries();
  const auto found = std::ranges::lower_bound(table, op, {}, &OperatorEntry::op);
  return found != table.end() && found->op == op ? &*found : nullptr;
}

}  // namespace headrace::cuda
