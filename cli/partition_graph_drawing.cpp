#include "cli/partition_graph_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/quantity.h"

namespace headrace {
namespace {

constexpr size_t kFewBoxes = 20;      // can be read on a page
constexpr size_t kMostBoxes = 300;    // dot lays them out in seconds
constexpr size_t kLongestLabel = 18;  // bytes
constexpr size_t kNamesShown = 4;     // of a box that holds many nodes
constexpr int kDeviceColours = 8, kLoopColours = 4;

std::string colours_of(int device, int loop) {
  return fmt::format("d{} l{}", device % kDeviceColours, loop % kLoopColours);
}

// Without half a letter of UTF-8 at its end.
std::string shortened(const std::string& text) {
  if (text.size() <= kLongestLabel) return text;
  size_t end = kLongestLabel;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// Compact boxes; colours come from the page's style.
std::string dot_of(const ContractedGraph& graph, const std::vector<std::string>& labels) {
  std::string dot =
      "digraph g {\nrankdir=LR; bgcolor=transparent; ranksep=0.16; nodesep=0.12; "
      "nslimit=4; nslimit1=4;\nnode [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", "
      "fontsize=10, height=0.25, margin=\"0.08,0.02\"];\nedge [arrowsize=0.45];\n";
  for (size_t b = 0; b < labels.size(); ++b)
    dot += fmt::format("n{0} [label=\"{1}\", class=\"n{0}\"];\n", b, escape_dot(labels[b]));
  for (size_t e = 0; e < graph.edges.size(); ++e)
    dot += fmt::format("n{} -> n{} [class=\"e{}\"];\n", graph.edges[e].from, graph.edges[e].to, e);
  return dot + "}\n";
}

}  // namespace

PartitionGraphDrawing::PartitionGraphDrawing(const PartitionQuestion& question,
                                             const std::vector<StrategyRow>& rows,
                                             const Graphviz& graphviz)
    : question_(question), graphviz_(graphviz), names_(question.problem.nodes.size()) {
  for (size_t n = 0; n < question.nodes.size(); ++n)
    names_[static_cast<size_t>(question.unit_of_node[n])].push_back(question.nodes[n]);
  std::vector<int> stages(question.problem.devices.size());
  for (const int device : question.problem.device_of_stage)
    loop_of_stage_.push_back(stages[static_cast<size_t>(device)]++);

  std::vector<std::vector<int>> cuts;
  for (const StrategyRow& row : rows)
    if (row.refused.empty()) cuts.push_back(row.answer.stage_of_node);
  for (const size_t most : {kFewBoxes, kMostBoxes}) {
    if (most == kMostBoxes && question.problem.nodes.size() <= kFewBoxes) continue;
    View& view = views_.emplace_back(View{.most = most});
    if (contract(question.problem, cuts, most).boxes.size() <= most)
      view.common = std::make_unique<const Laid>(lay(cuts, most));
  }
}

PartitionGraphDrawing::Laid PartitionGraphDrawing::lay(const std::vector<std::vector<int>>& cuts,
                                                       size_t most) const {
  ContractedGraph graph = contract(question_.problem, cuts, most);
  std::vector<std::string> labels;
  for (const std::vector<int>& box : graph.boxes) labels.push_back(label(box));
  DotDrawing drawing(graphviz_.draw(dot_of(graph, labels)));
  return {std::move(graph), std::move(drawing)};
}

// The operator that takes longest, and how many more nodes there are.
std::string PartitionGraphDrawing::label(const std::vector<int>& box) const {
  const auto& nodes = question_.problem.nodes;
  const int longest = *std::max_element(box.begin(), box.end(), [&](int a, int b) {
    return nodes[static_cast<size_t>(a)].seconds() < nodes[static_cast<size_t>(b)].seconds();
  });
  const std::string name = shortened(nodes[static_cast<size_t>(longest)].op);
  return box.size() == 1 ? name : fmt::format("{} +{}", name, box.size() - 1);
}

std::string PartitionGraphDrawing::text_of(const std::vector<int>& box, int stage) const {
  PartitionNode sum;
  std::string names;
  size_t count = 0;
  for (const int unit : box) {
    const PartitionNode& node = question_.problem.nodes[static_cast<size_t>(unit)];
    sum.forward_s += node.forward_s;
    sum.backward_input_s += node.backward_input_s;
    sum.backward_weight_s += node.backward_weight_s;
    sum.parameter_bytes += node.parameter_bytes;
    for (const std::string& name : names_[static_cast<size_t>(unit)]) {
      if (count++ < kNamesShown)
        names +=
            question_.problem.costs_only ? name + "\n" : fmt::format("{} ({})\n", name, node.op);
    }
  }
  if (count > kNamesShown) names += fmt::format("and {} more\n", count - kNamesShown);
  return fmt::format(
      "{}stage {} on device {}\nF {}, I {}, W {}\n{}: {}", names, stage,
      question_.problem.device_of_stage[static_cast<size_t>(stage)], show_seconds(sum.forward_s),
      show_seconds(sum.backward_input_s), show_seconds(sum.backward_weight_s),
      question_.problem.costs_only ? "holds" : "parameters, gradients, optimizer state",
      show_bytes(static_cast<double>(sum.parameter_bytes)));
}

std::string PartitionGraphDrawing::coloured(const Laid& laid, const StrategyRow& row) const {
  const std::vector<int>& device_of_stage = question_.problem.device_of_stage;
  const auto stage_of = [&](size_t box) {
    return row.answer.stage_of_node[static_cast<size_t>(laid.graph.boxes[box].front())];
  };
  const auto device_of = [&](int box) {
    return device_of_stage[static_cast<size_t>(stage_of(static_cast<size_t>(box)))];
  };
  const auto node = [&](size_t box) {
    const int stage = stage_of(box);
    return DotDrawing::Look{colours_of(device_of_stage[static_cast<size_t>(stage)],
                                       loop_of_stage_[static_cast<size_t>(stage)]),
                            text_of(laid.graph.boxes[box], stage)};
  };
  const auto edge = [&](size_t number) {
    const ContractedGraph::Edge& joins = laid.graph.edges[number];
    const int from = device_of(joins.from), to = device_of(joins.to);
    if (from == to) return DotDrawing::Look{"inner", ""};
    return DotDrawing::Look{"cut", fmt::format("from device {} to device {}", from, to)};
  };
  return fmt::format("<div class=\"graph\" style=\"--w:{}px\">{}</div>\n",
                     std::lround(laid.drawing.width()), laid.drawing.html(node, edge));
}

std::string PartitionGraphDrawing::drawn(const View& view, const StrategyRow& row) const {
  std::unique_ptr<const Laid> own;
  if (!view.common) own = std::make_unique<const Laid>(lay({row.answer.stage_of_node}, view.most));
  const Laid& laid = view.common ? *view.common : *own;
  std::string html = coloured(laid, row);
  if (!laid.graph.how.empty())
    html += fmt::format("<p>{} nodes, drawn as {} boxes that each hold {}, in one stage{}.</p>\n",
                        show_count(static_cast<int64_t>(question_.problem.nodes.size())),
                        laid.graph.boxes.size(), laid.graph.how,
                        view.common ? " of every strategy here" : "");
  return html;
}

std::string PartitionGraphDrawing::legend() const {
  const PartitionProblem& problem = question_.problem;
  const bool loops = problem.device_of_stage.size() > problem.devices.size();
  std::string html = "<div class=\"legend\">";
  for (size_t s = 0; s < problem.device_of_stage.size(); ++s)
    html += fmt::format("<span class=\"{}\"><i></i>{}device {}</span>",
                        colours_of(problem.device_of_stage[s], loop_of_stage_[s]),
                        loops ? fmt::format("stage {} on ", s) : "", problem.device_of_stage[s]);
  return html + "<span><i class=\"crosses\"></i>from device to device</span></div>\n";
}

std::string PartitionGraphDrawing::html(const StrategyRow& row) const {
  if (views_.size() == 1) return drawn(views_[0], row) + legend();
  const bool all = question_.problem.nodes.size() <= kMostBoxes;
  return fmt::format(
      "<label class=\"detail\"><input type=\"checkbox\">{}</label>\n<div class=\"coarse\">\n{}"
      "</div>\n<div class=\"fine\">\n{}</div>\n{}",
      all ? "every node" : "in detail", drawn(views_[0], row), drawn(views_[1], row), legend());
}

}  // namespace headrace
