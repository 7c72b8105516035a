#pragma once

#include <array>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "executor/session.h"

namespace headrace {

// A stage of a plan in the words of its report.
struct StageSummary {
  int stage = 0, device = 0;
  std::array<int64_t, 3> nodes = {};  // of the phases F, I and W
  int64_t recomputed = 0;             // of I and W, forward nodes that run once more
  std::string first = {}, last = {};  // forward nodes
  StageCost cost = {};
};

struct ChannelSummary {
  int from = 0, to = 0;  // stages
  std::string value = {};
  std::string type = {};  // "f32[8, 64]"
  int64_t bytes = 0;
  bool gradient = false;
};

// What `headrace plan` tells about a plan; stages and channels are those of one replica.
struct PlanSummary {
  std::string model = {};
  int64_t parameters = 0;  // elements that are trained
  int64_t batch = 0;
  double forward_flops = 0, step_flops = 0;  // of a step, all micro-batches and replicas
  std::string scheduler = {}, partitioner = {};
  std::vector<std::string> notes = {};
  std::vector<StageSummary> stages = {};
  std::vector<ChannelSummary> channels = {};
  std::vector<int64_t> predicted_peak_bytes =
      {};             // per device: weights, gradients, state, activations
  double step_s = 0;  // simulated, update included
};

PlanSummary summarize(const PreparedModel& model, const PreparedPlan& plan,
                      const Settings& settings);

}  // namespace headrace
