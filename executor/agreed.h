#pragma once

#include "executor/process_group.h"
#include "executor/session.h"

namespace headrace {

// What rank 0 found, as all processes use it, so that plans are the same everywhere though clocks
// and searches differ. The calls are made together; what rank 0 refuses all refuse.

PlanCosts agreed(ProcessGroup& group, PlanCosts costs);

class AgreedScheduler : public Scheduler {
 public:
  AgreedScheduler(ProcessGroup& group, const Scheduler& inner) : group_(group), inner_(inner) {}
  const std::string& name() const override { return inner_.name(); }
  std::vector<int> place(int devices, int stages_per_device, int microbatches) const override;
  Schedule schedule(const ScheduleRequest& request) const override;

  // While rank 0 searches for all, its calls are its own.
  void set_alone(bool alone) const { alone_ = alone; }

 private:
  ProcessGroup& group_;
  const Scheduler& inner_;
  mutable bool alone_ = false;
};

class AgreedStrategy : public PartitionStrategy {
 public:
  // `scheduler`: what a problem's simulation of cuts asks.
  AgreedStrategy(ProcessGroup& group, const PartitionStrategy& inner,
                 const AgreedScheduler& scheduler)
      : group_(group), inner_(inner), scheduler_(scheduler) {}
  const std::string& name() const override { return inner_.name(); }
  PartitionAnswer solve(const PartitionProblem& problem) const override;

 private:
  ProcessGroup& group_;
  const PartitionStrategy& inner_;
  const AgreedScheduler& scheduler_;
};

}  // namespace headrace
