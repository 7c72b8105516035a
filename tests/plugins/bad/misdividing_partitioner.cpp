// A partitioner whose answer is wrong in the way that its option says.

#include <stdexcept>
#include <string>
#include <vector>

#include "plugins/sdk.h"

namespace sdk = headrace::sdk;

static constexpr headrace_option options[] = {
    sdk::choice_option("how", "throw", "throw|short|long|range|backwards|empty|apart",
                       "What to answer."),
};

static std::vector<int> partition(const sdk::PartitionRequest& r) {
  const auto how = r.option<std::string>("how");
  if (how == "throw") throw std::invalid_argument("no such luck");
  std::vector<int> stage(static_cast<size_t>(r.nodes()), r.stages() - 1);
  for (int s = 0; s < r.stages(); ++s) stage[static_cast<size_t>(s)] = s;
  if (how == "short") stage.pop_back();
  if (how == "long") stage.push_back(0);
  if (how == "range") stage.back() = r.stages();
  if (how == "backwards") stage.back() = 0;
  if (how == "empty") stage.front() = 1;
  return stage;
}

HEADRACE_DEFINE_PARTITIONER("misdividing", "Partitions that are wrong.", partition, options)
