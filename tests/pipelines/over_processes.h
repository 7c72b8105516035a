#pragma once

#include <gmock/gmock.h>

#include "tests/pipelines/fixture_run.h"
#include "tests/thread_group.h"

namespace headrace {

// Cut over several processes, the same losses and weights bit for bit as on one device, and every
// process knows them all. `devices` makes those of one process.
inline void expect_bits_of_one_device(
    const FixtureRun& run, int processes, bool between_queues, int steps,
    const std::function<std::vector<std::unique_ptr<Device>>(const Processes&)>& devices) {
  FixtureTraining single(on_one_device(run));
  std::vector<double> losses;
  for (int s = 0; s < steps; ++s) losses.push_back(single.step());
  ThreadGroups(processes, between_queues).run([&](ProcessGroup& group) {
    const Processes here{.group = &group};
    FixtureTraining training(run, devices(here), here);
    for (int s = 0; s < steps; ++s) EXPECT_EQ(training.step(), losses[static_cast<size_t>(s)]);
    EXPECT_EQ(differing(single.weights(), training.weights()), "") << run.scheduler;
    EXPECT_THAT(training.pipeline().peak_bytes(), testing::Each(testing::Gt(0)));
    for (int d = 0; d < training.pipeline().devices(); ++d)
      EXPECT_FALSE(training.pipeline().actions(d).empty());
    EXPECT_FALSE(training.pipeline().transfers().empty());
  });
}

}  // namespace headrace
