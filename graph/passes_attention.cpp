#include <algorithm>
#include <optional>
#include <set>

#include "graph/op_def.h"
#include "graph/passes.h"
#include "graph/passes_rewriter.h"

namespace headrace {
namespace {

// Weights of entries below this are zero beside any entry that is not.
constexpr double kFarBelow = -1e8;
// As passes_softmax.cpp has it: -inf or the most negative number of a float type.
constexpr double kHidden = -1e30;

// What a MatMul of a softmax's weights turns out to be.
struct Found {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue, bias = kNoValue;
  double scale = 1;
  bool causal = false;
};

bool has_flag(const Node& node, const char* name) { return node.attributes.get_int(name, 0) != 0; }

// A product of two operands and nothing more.
bool is_plain_product(const Node& node, bool transposes_b) {
  return node.inputs.size() == 2 && node.attributes.get_string("activation", "").empty() &&
         !has_flag(node, "transpose_a") && has_flag(node, "transpose_b") == transposes_b;
}

// Exactly the mask of causal attention, 0 up to the diagonal and far below behind it.
bool is_causal_mask(const Value& mask, int64_t queries, int64_t keys) {
  const Shape& shape = mask.type.shape;
  if (shape.size() < 2 || mask.type.elements() != queries * keys || shape.back() != keys)
    return false;
  const auto entries = to_doubles(mask.data);
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t j = 0; j < keys; ++j) {
      const double entry = entries[static_cast<size_t>(i * keys + j)];
      if (j <= i ? entry != 0 : !(entry < kFarBelow)) return false;
    }
  return shape[shape.size() - 2] == queries;
}

// A row without a key would be one whose log-sum-exp says nothing.
bool every_row_sees_a_key(const Value& mask) {
  const auto entries = to_doubles(mask.data);
  const size_t row = mask.type.shape.empty() ? 1 : static_cast<size_t>(mask.type.shape.back());
  for (size_t first = 0; first < entries.size(); first += row)
    if (std::none_of(entries.begin() + static_cast<std::ptrdiff_t>(first),
                     entries.begin() + static_cast<std::ptrdiff_t>(first + row),
                     [](double entry) { return entry >= kHidden; }))
      return false;
  return true;
}

class AttentionFuser {
 public:
  AttentionFuser(ForwardGraph forward, DType products, const WantsNode& wants)
      : r_(std::move(forward)), products_(products), wants_(wants) {
    find_dependent_values();
  }

  ForwardGraph run() {
    const size_t nodes = r_.graph().nodes().size();
    for (size_t n = 0; n < nodes; ++n)
      if (const auto id = static_cast<NodeId>(n); !r_.is_erased(id)) fuse(id);
    return r_.finish();
  }

 private:
  // Float values that parameters reach through float values alone: those that may want a gradient.
  void find_dependent_values() {
    const Graph& graph = r_.graph();
    const auto depends = [&](ValueId id) {
      return id != kNoValue && (graph.value(id).role == Role::parameter || dependent_.contains(id));
    };
    for (const Node& node : graph.nodes()) {
      if (std::none_of(node.inputs.begin(), node.inputs.end(), depends)) continue;
      for (const ValueId output : node.outputs)
        if (output != kNoValue && is_float(graph.value(output).type.dtype))
          dependent_.insert(output);
    }
    for (size_t v = 0; v < graph.values().size(); ++v)
      if (depends(static_cast<ValueId>(v))) dependent_.insert(static_cast<ValueId>(v));
  }

  void fuse(NodeId id) {
    const Node product = r_.node(id);
    if (product.op != "MatMul" || !is_plain_product(product, false)) return;
    const Node* softmax = r_.maker(product.inputs[0], "Softmax");
    const TensorType& weights = r_.type(product.inputs[0]);
    if (softmax == nullptr || !r_.is_private(product.inputs[0]) || weights.rank() != 4 ||
        weights.dtype != DType::f32 || softmax->attributes.get_int("axis") != 3)
      return;
    Found found;
    found.v = product.inputs[1];
    if (!take_apart(softmax->inputs[0], weights, found)) return;
    const NodeId query_moved = peel(found.q, found.scale), key_moved = peel(found.k, found.scale);
    put(id, found, query_moved, key_moved);
  }

  // Scores from the softmax back to their product, as `weights` has their type. Nothing else reads
  // what stands between.
  bool take_apart(ValueId scores, const TensorType& weights, Found& found) {
    if (!r_.is_private(scores) || r_.type(scores) != weights) return false;
    if (const Node* add = r_.maker(scores, "Add")) {
      for (const size_t i : {0, 1}) {
        Found attempt = found;
        if (!take_mask(add->inputs[1 - i], weights, attempt) ||
            !take_apart(add->inputs[i], weights, attempt))
          continue;
        found = attempt;
        return true;
      }
      return false;
    }
    ValueId inner = scores;
    for (ValueId next = without_number(inner, found.scale); next != kNoValue;
         next = without_number(inner, found.scale)) {
      if (!r_.is_private(next)) return false;
      inner = next;
    }
    const Node* product = r_.maker(inner, "MatMul");
    if (product == nullptr || !is_plain_product(*product, true)) return false;
    found.q = product->inputs[0];
    found.k = product->inputs[1];
    return true;
  }

  bool take_mask(ValueId mask, const TensorType& scores, Found& found) {
    const Value& value = r_.graph().value(mask);
    if (value.type.dtype != DType::f32 || dependent_.contains(mask)) return false;
    const bool constant = value.role == Role::constant;
    if (constant && !found.causal && is_causal_mask(value, scores.shape[2], scores.shape[3])) {
      found.causal = true;
      return true;
    }
    if (found.bias != kNoValue || (constant && !every_row_sees_a_key(value))) return false;
    found.bias = mask;
    return true;
  }

  // The other factor where `value` is a product with a number, or a quotient by one, which goes
  // into `scale`; else kNoValue.
  ValueId without_number(ValueId value, double& scale) const {
    if (const Node* product = r_.maker(value, "Mul"))
      for (const size_t i : {0, 1})
        if (const auto number = r_.number(product->inputs[i]);
            number && r_.type(product->inputs[1 - i]) == r_.type(value)) {
          scale *= *number;
          return product->inputs[1 - i];
        }
    if (const Node* quotient = r_.maker(value, "Div"))
      if (const auto number = r_.number(quotient->inputs[1]);
          number && r_.type(quotient->inputs[0]) == r_.type(value)) {
        scale /= *number;
        return quotient->inputs[0];
      }
    return kNoValue;
  }

  // Takes a number out of an operand of the scores, where it stands or in front of the Transpose
  // that the operand comes from. That Transpose, which is to read on from before the number, comes
  // back, or kNoNode.
  NodeId peel(ValueId& operand, double& scale) const {
    if (const ValueId bare = without_number(operand, scale); bare != kNoValue) {
      operand = bare;
      return kNoNode;
    }
    const NodeId transpose = r_.maker_id(operand, "Transpose");
    if (transpose == kNoNode || !r_.is_private(operand)) return kNoNode;
    double unused = 1;
    return without_number(r_.node(transpose).inputs[0], unused) == kNoValue ? kNoNode : transpose;
  }

  // The node in the place of the last product, if its operands fit each other and it is wanted.
  void put(NodeId place, Found found, NodeId query_moved, NodeId key_moved) {
    for (const NodeId moved : {query_moved, key_moved})
      if (moved != kNoNode) without_number(r_.node(moved).inputs[0], found.scale);
    Node attention = r_.node(place);
    attention.op = "Attention";
    attention.inputs = {found.q, found.k, found.v};
    if (found.bias != kNoValue) attention.inputs.push_back(found.bias);
    attention.attributes = {{"scale", found.scale}, {"causal", int64_t{found.causal}}};
    const Shape &q = r_.type(found.q).shape, &k = r_.type(found.k).shape,
                &v = r_.type(found.v).shape;
    if (q.size() != 4 || k.size() != 4 || v.size() != 4 ||
        !std::equal(q.begin(), q.begin() + 2, k.begin()) ||
        !std::equal(q.begin(), q.begin() + 2, v.begin()) || k[2] == 0)
      return;
    const OpDef& op = get_op(attention.op);
    std::vector<TensorType> in = r_.graph().types(attention.inputs);
    const TensorType log_sum_exp = op.infer(attention, in).at(1);
    for (size_t i = 0; i < 3; ++i) in[i].dtype = products_;
    if (!wants_(attention, in, op.infer(attention, in))) return;

    attention.outputs = {attention.outputs[0],
                         r_.add_output(attention.name + "/log_sum_exp", log_sum_exp)};
    r_.replace(place, std::move(attention));
    for (const NodeId moved : std::set<NodeId>{query_moved, key_moved}) {
      if (moved == kNoNode) continue;
      Node transpose = r_.node(moved);
      double taken = 1;
      transpose.inputs[0] = without_number(transpose.inputs[0], taken);
      r_.replace(moved, std::move(transpose));
    }
  }

  Rewriter r_;
  const DType products_;
  const WantsNode& wants_;
  std::set<ValueId> dependent_;
};

}  // namespace

ForwardGraph fuse_attention(ForwardGraph forward, DType products, const WantsNode& wants) {
  return AttentionFuser(std::move(forward), products, wants).run();
}

}  // namespace headrace
