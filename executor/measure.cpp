#include "executor/measure.h"

#include "executor/devices.h"
#include "executor/feeding.h"
#include "executor/median.h"
#include "executor/trainer.h"

namespace headrace {

MeasuredSteps measure_steps(const PreparedModel& prepared, const PreparedPlan& plan,
                            const RunConfig& config, int steps) {
  const FeedPlan feeds = feed_plan(prepared);
  const auto batch =
      random_batch(prepared, feeds, static_cast<int>(microbatches_in_all(config)), config.seed);
  const std::vector<std::span<const std::byte>> fields(batch.begin(), batch.end());
  const auto pipeline = make_pipeline(prepared, plan, config, make_devices(config));

  MeasuredSteps measured;
  std::vector<double> seconds, bubbles;
  for (int step = 0; step <= steps; ++step) {
    feed_batch(*pipeline, prepared, feeds, fields);
    measured.loss = pipeline->train_step(
        {.step = step, .learning_rate = learning_rate(config.rate, step, steps + 1)});
    if (step == 0) continue;
    seconds.push_back(pipeline->step_seconds());
    bubbles.push_back(measured_bubble(*pipeline));
  }
  measured.step_s = median(std::move(seconds));
  measured.bubble = median(std::move(bubbles));
  measured.peak_bytes = pipeline->peak_bytes();
  measured.weights_sha256 = parameters_sha256(pipeline->training().graph, read_weights(*pipeline));
  return measured;
}

}  // namespace headrace
