#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "graph/split.h"
#include "loader/import/rules.h"

namespace headrace {
namespace {

// An index of the equation: a letter, or -k for the k-th last dimension that an ellipsis stands
// for.
using Label = int;
using Labels = std::vector<Label>;

struct Term {
  ValueId value = kNoValue;
  Labels labels{};
};

bool contains(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The indices of one operand, or of the result, with an ellipsis for `hidden` dimensions.
Labels labels_of(std::string_view text, int64_t hidden) {
  Labels labels;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_letter(text[i])) {
      labels.push_back(text[i]);
    } else if (text.compare(i, 3, "...") == 0) {
      for (int64_t k = hidden; k > 0; --k) labels.push_back(static_cast<Label>(-k));
      i += 2;
    } else {
      throw Unsupported("'{}' in its equation", text[i]);
    }
  }
  return labels;
}

int64_t hidden_dimensions(std::string_view text, int64_t rank) {
  const auto letters = std::count_if(text.begin(), text.end(), is_letter);
  const bool ellipsis = text.find("...") != std::string::npos;
  if (ellipsis ? rank < letters : rank != letters)
    throw Unsupported("'{}' for an operand of rank {}", text, rank);
  return rank - letters;
}

// What the equation leaves out when it names no result: the dimensions of the ellipsis, then the
// letters that stand once, in order.
Labels implied_result(const Labels& all) {
  std::map<Label, int> uses;
  for (const Label label : all) ++uses[label];
  Labels result;
  for (const auto& [label, count] : uses)
    if (label < 0 || count == 1) result.push_back(label);
  return result;
}

class Contraction {
 public:
  explicit Contraction(ImportContext& c) : c_(c) {}

  int64_t size_of(const Term& term, Label label) const {
    const auto it = std::find(term.labels.begin(), term.labels.end(), label);
    return c_.type_of(term.value).shape.at(static_cast<size_t>(it - term.labels.begin()));
  }

  // An index that stands twice in an operand keeps its diagonal: of the two axes as one of n n
  // elements each (n + 1)-th.
  Term diagonal(Term term) {
    for (size_t i = 0; i < term.labels.size(); ++i) {
      const Label label = term.labels[i];
      const auto twin =
          std::find(term.labels.begin() + static_cast<ptrdiff_t>(i) + 1, term.labels.end(), label);
      if (twin == term.labels.end()) continue;
      const auto j = static_cast<size_t>(twin - term.labels.begin());
      const Shape shape = c_.type_of(term.value).shape;
      if (shape[i] != shape[j]) throw Unsupported("the diagonal of {} by {}", shape[i], shape[j]);
      Labels rest = term.labels;
      std::vector<int64_t> perm;
      for (size_t d = 0; d < shape.size(); ++d)
        if (d != i && d != j) perm.push_back(static_cast<int64_t>(d));
      perm.insert(perm.end(), {static_cast<int64_t>(i), static_cast<int64_t>(j)});
      rest.erase(rest.begin() + static_cast<ptrdiff_t>(j));
      rest.erase(rest.begin() + static_cast<ptrdiff_t>(i));
      Shape flat;
      for (size_t d = 0; d + 2 < perm.size(); ++d)
        flat.push_back(shape[static_cast<size_t>(perm[d])]);
      const int64_t n = shape[i];
      flat.push_back(n * n);
      Shape starts(flat.size(), 0), steps(flat.size(), 1);
      steps.back() = n + 1;
      const ValueId joined = c_.reshape(c_.transpose(term.value, perm), flat);
      term.value =
          c_.add("Slice", {joined}, {{"starts", starts}, {"ends", flat}, {"steps", steps}});
      rest.push_back(label);
      term.labels = rest;
      return diagonal(std::move(term));
    }
    return term;
  }

  // Drops the axes of `gone`, each of one element.
  Term squeezed(const Term& term, const Labels& gone) {
    Shape shape;
    Labels labels;
    for (const Label label : term.labels) {
      if (contains(gone, label)) continue;
      shape.push_back(size_of(term, label));
      labels.push_back(label);
    }
    return {c_.reshape(term.value, shape), labels};
  }

  // Sums over every index that `wanted` does not hold.
  Term summed(Term term, const Labels& wanted) {
    std::vector<int64_t> axes;
    Labels kept;
    for (size_t d = 0; d < term.labels.size(); ++d) {
      if (contains(wanted, term.labels[d]))
        kept.push_back(term.labels[d]);
      else
        axes.push_back(static_cast<int64_t>(d));
    }
    if (axes.empty()) return term;
    return {c_.add("ReduceSum", {term.value}, {{"axes", axes}, {"keepdims", int64_t{0}}}), kept};
  }

  ValueId in_order(const Term& term, const Labels& order) {
    std::vector<int64_t> perm;
    for (const Label label : order)
      perm.push_back(std::find(term.labels.begin(), term.labels.end(), label) -
                     term.labels.begin());
    return c_.transpose(term.value, perm);
  }

  // The product of two terms, summed over the indices of both that are not `wanted`.
  Term product(Term a, Term b, const Labels& wanted) {
    Labels needed_of_a = wanted, needed_of_b = wanted;
    needed_of_a.insert(needed_of_a.end(), b.labels.begin(), b.labels.end());
    needed_of_b.insert(needed_of_b.end(), a.labels.begin(), a.labels.end());
    a = summed(std::move(a), needed_of_a);
    b = summed(std::move(b), needed_of_b);
    Labels batch, inner, rows, columns;
    for (const Label label : a.labels) {
      if (!contains(b.labels, label))
        rows.push_back(label);
      else
        (contains(wanted, label) ? batch : inner).push_back(label);
    }
    for (const Label label : b.labels)
      if (!contains(a.labels, label)) columns.push_back(label);
    Shape result_shape;
    Labels result;
    for (const auto& [labels, of] :
         {std::pair(&batch, &a), std::pair(&rows, &a), std::pair(&columns, &b)})
      for (const Label label : *labels) {
        result.push_back(label);
        result_shape.push_back(size_of(*of, label));
      }
    if (inner.empty()) return {outer(a, b, batch, rows, columns), result};

    const Shape shape_a = matrix_shape(a, batch, rows, inner);
    const Shape shape_b = matrix_shape(b, batch, inner, columns);
    const ValueId left = c_.reshape(in_order(a, joined(batch, rows, inner)), shape_a);
    const ValueId right = c_.reshape(in_order(b, joined(batch, inner, columns)), shape_b);
    const ValueId made =
        c_.add("MatMul", {left, right}, {{"transpose_a", int64_t{0}}, {"transpose_b", int64_t{0}}});
    return {c_.reshape(made, result_shape), result};
  }

 private:
  static Labels joined(Labels a, const Labels& b, const Labels& c) {
    a.insert(a.end(), b.begin(), b.end());
    a.insert(a.end(), c.begin(), c.end());
    return a;
  }

  int64_t count(const Term& term, const Labels& labels) const {
    Shape sizes;
    for (const Label label : labels) sizes.push_back(size_of(term, label));
    return element_count(sizes);
  }

  Shape matrix_shape(const Term& term, const Labels& batch, const Labels& rows,
                     const Labels& columns) const {
    Shape shape;
    if (!batch.empty()) shape.push_back(count(term, batch));
    shape.push_back(count(term, rows));
    shape.push_back(count(term, columns));
    return shape;
  }

  // No index is summed: the operands broadcast against each other.
  ValueId outer(const Term& a, const Term& b, const Labels& batch, const Labels& rows,
                const Labels& columns) {
    const ValueId right = in_order(b, joined(batch, columns, {}));
    ValueId left = in_order(a, joined(batch, rows, {}));
    Shape shape_a = c_.type_of(left).shape, shape_b = c_.type_of(right).shape;
    shape_a.insert(shape_a.end(), columns.size(), 1);
    shape_b.insert(shape_b.begin() + static_cast<ptrdiff_t>(batch.size()), rows.size(), 1);
    left = c_.reshape(left, shape_a);
    return c_.add("Mul", {left, c_.reshape(right, shape_b)});
  }

  ImportContext& c_;
};

// numpy's einsum: operands are multiplied from left to right, each time summing over what nothing
// later names.
void einsum(ImportContext& c) {
  std::string equation = c.get_string("equation", "");
  std::erase(equation, ' ');
  const size_t arrow = equation.find("->");
  const auto texts = split(std::string_view(equation).substr(0, arrow), ',');
  if (texts.size() != c.input_count())
    throw Unsupported("{} terms for {} operands", texts.size(), c.input_count());

  Contraction contraction(c);
  std::vector<Term> terms;
  Labels all;
  int64_t hidden = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const int64_t own = hidden_dimensions(texts[i], c.rank(i));
    hidden = std::max(hidden, own);
    Labels labels = labels_of(texts[i], own);
    all.insert(all.end(), labels.begin(), labels.end());
    terms.push_back(contraction.diagonal({c.value(i), std::move(labels)}));
  }
  const Labels result = arrow == std::string::npos ? implied_result(all)
                                                   : labels_of(equation.substr(arrow + 2), hidden);

  // A dimension of one stands against any other and adds nothing to the product.
  std::map<Label, int64_t> sizes;
  for (const Term& term : terms)
    for (const Label label : term.labels) {
      int64_t& size = sizes.try_emplace(label, 1).first->second;
      const int64_t own = contraction.size_of(term, label);
      if (own != 1 && size != 1 && own != size)
        throw Unsupported("an index of {} and of {} elements", size, own);
      if (own != 1) size = own;
    }
  for (Term& term : terms) {
    Labels ones;
    for (const Label label : term.labels)
      if (sizes[label] != 1 && contraction.size_of(term, label) == 1) ones.push_back(label);
    if (!ones.empty()) term = contraction.squeezed(term, ones);
  }
  for (const Label label : result)
    if (sizes.count(label) == 0 || std::count(result.begin(), result.end(), label) > 1)
      throw Unsupported("the result of '{}'", equation);

  Term product = std::move(terms[0]);
  for (size_t i = 1; i < terms.size(); ++i) {
    Labels wanted = result;
    for (size_t later = i + 1; later < terms.size(); ++later)
      wanted.insert(wanted.end(), terms[later].labels.begin(), terms[later].labels.end());
    product = contraction.product(std::move(product), std::move(terms[i]), wanted);
  }
  product = contraction.summed(std::move(product), result);
  c.result(contraction.in_order(product, result));
}

}  // namespace

std::span<const ImportRule> einsum_rules() {
  static constexpr ImportRule kRules[] = {{"Einsum", einsum}};
  return kRules;
}

}  // namespace headrace
