#include "executor/lanes.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "graph/error.h"

namespace headrace {

std::vector<int> lanes_of(const std::vector<Transfer>& transfers) {
  std::vector<size_t> by_sender(transfers.size());
  std::iota(by_sender.begin(), by_sender.end(), size_t{0});
  std::ranges::stable_sort(by_sender, {}, [&](size_t t) { return transfers[t].sent; });

  std::map<std::pair<int, int>, std::vector<int>> last_posted;  // of each lane between two devices
  std::vector<int> lanes(transfers.size());
  for (const size_t t : by_sender) {
    const Transfer& transfer = transfers[t];
    HEADRACE_CHECK(transfer.sent >= 0 && transfer.posted >= 0, "transfer {}", t);
    auto& last = last_posted[{transfer.from, transfer.to}];
    const auto lane =
        std::ranges::find_if(last, [&](int posted) { return posted < transfer.posted; });
    lanes[t] = static_cast<int>(lane - last.begin());
    if (lane == last.end())
      last.push_back(transfer.posted);
    else
      *lane = transfer.posted;
  }
  return lanes;
}

}  // namespace headrace
