#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/contracted_graph.h"
#include "cli/graphviz.h"
#include "cli/partition_answers.h"

namespace headrace {

// The graph in the colours of each strategy's devices: as a few boxes that can be read side by
// side, and with as many as dot lays out in seconds. It lies the same way for all strategies as
// long as they do not part it into too many pieces. Borrows the question.
class PartitionGraphDrawing {
 public:
  PartitionGraphDrawing(const PartitionQuestion& question, const std::vector<StrategyRow>& rows,
                        const Graphviz& graphviz);

  std::string html(const StrategyRow& row) const;  // of a row with an answer

 private:
  struct Laid {
    ContractedGraph graph;
    DotDrawing drawing;
  };
  struct View {
    size_t most = 0;                          // boxes
    std::unique_ptr<const Laid> common = {};  // null: every strategy has its own
  };

  Laid lay(const std::vector<std::vector<int>>& cuts, size_t most) const;
  std::string label(const std::vector<int>& box) const;
  std::string text_of(const std::vector<int>& box, int stage) const;
  std::string drawn(const View& view, const StrategyRow& row) const;
  std::string coloured(const Laid& laid, const StrategyRow& row) const;
  std::string legend() const;

  const PartitionQuestion& question_;
  const Graphviz& graphviz_;
  std::vector<std::vector<std::string>> names_;  // of the question's nodes in each of the problem's
  std::vector<int> loop_of_stage_;               // which of its device's stages each is
  std::vector<View> views_;                      // the coarse one first
};

}  // namespace headrace
