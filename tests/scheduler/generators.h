#pragma once

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "scheduler/plan_for.h"
#include "scheduler/schedule.h"
#include "scheduler/scheduler.h"

// Schedules to test with, each as its paper states it. Stage s stands on device s mod p.
namespace headrace::testing {

inline Action act(ActionKind kind, int stage, int microbatch) {
  return {.kind = kind, .stage = stage, .microbatch = microbatch};
}
inline Action f(int stage, int mb) { return act(ActionKind::forward, stage, mb); }
inline Action b(int stage, int mb) { return act(ActionKind::backward, stage, mb); }
inline Action i(int stage, int mb) { return act(ActionKind::backward_input, stage, mb); }
inline Action w(int stage, int mb) { return act(ActionKind::backward_weight, stage, mb); }

inline Schedule empty(const std::vector<int>& device_of_stage, int devices, int m) {
  return {.stages = static_cast<int>(device_of_stage.size()),
          .microbatches = m,
          .device_of_stage = device_of_stage,
          .devices = std::vector<std::vector<Action>>(devices)};
}

// Every micro-batch of a local stage before the next one; backward the same, stages descending.
inline Schedule breadth_first(int p, int v, int m) {
  Schedule s = empty(looped_placement(p, v), p, m);
  for (int r = 0; r < p; ++r) {
    for (int stage = r; stage < p * v; stage += p)
      for (int mb = 0; mb < m; ++mb) s.devices[r].push_back(f(stage, mb));
    for (int stage = r + p * (v - 1); stage >= 0; stage -= p)
      for (int mb = 0; mb < m; ++mb) s.devices[r].push_back(b(stage, mb));
  }
  return s;
}

inline Schedule gpipe(int p, int m) { return breadth_first(p, 1, m); }

// Depth-first over v loops (Megatron); v = 1 with `warmup_per_rank` 1 is 1F1B.
inline Schedule depth_first(int p, int v, int m, int warmup_per_rank) {
  Schedule s = empty(looped_placement(p, v), p, m);
  for (int r = 0; r < p; ++r) {
    const int total = m * v;
    const auto turn = [&](int k, bool backward) {
      const int loop = k % (p * v) / p;
      const int stage = (backward ? v - 1 - loop : loop) * p + r;
      const int mb = k / (p * v) * p + k % p;
      s.devices[r].push_back(backward ? b(stage, mb) : f(stage, mb));
    };
    const int warmup = std::min(warmup_per_rank * (p - r - 1) + (v - 1) * p, total);
    for (int k = 0; k < warmup; ++k) turn(k, false);
    for (int k = warmup; k < total; ++k) {
      turn(k, false);
      turn(k - warmup, true);
    }
    for (int k = total - warmup; k < total; ++k) turn(k, true);
  }
  return s;
}

inline Schedule one_f_one_b(int p, int m) { return depth_first(p, 1, m, 1); }
inline Schedule interleaved(int p, int v, int m) { return depth_first(p, v, m, 2); }

// Zero Bubble's two hand-made schedules (arXiv 2401.10241): `depth` 1 is H1, 2 is H2.
inline Schedule zero_bubble(int p, int m, int depth) {
  Schedule s = empty(looped_placement(p, 1), p, m);
  for (int r = 0; r < p; ++r) {
    std::vector<Action>& row = s.devices[r];
    int forwards = 0, inputs = 0, weights = 0;
    const int warmup = std::min(m, depth * (p - r - 1));
    while (forwards < warmup) row.push_back(f(r, forwards++));
    while (inputs < m) {
      const bool steady = forwards < m;
      if (steady) row.push_back(f(r, forwards++));
      row.push_back(i(r, inputs++));
      if (!steady || inputs - weights > depth * r) row.push_back(w(r, weights++));
    }
    while (weights < m) row.push_back(w(r, weights++));
  }
  return s;
}

// Any valid schedule of the plan: devices and their ready actions drawn at random, backwards whole
// or split.
inline Schedule random_schedule(const StagePlan& plan, int m, std::mt19937& random) {
  const int stages = plan.stages();
  Schedule s = empty(plan.device, plan.devices(), m);
  std::vector<Action> left;
  for (int stage = 0; stage < stages; ++stage)
    for (int mb = 0; mb < m; ++mb) {
      left.push_back(f(stage, mb));
      if (random() % 2) {
        left.push_back(b(stage, mb));
      } else {
        left.push_back(i(stage, mb));
        left.push_back(w(stage, mb));
      }
    }
  std::vector<std::vector<char>> done(6, std::vector<char>(stages * m));
  const auto is_done = [&](ActionKind kind, int stage, int mb) {
    return done[static_cast<int>(kind)][stage * m + mb] != 0;
  };
  const auto ready = [&](const Action& a) {
    if (a.kind == ActionKind::backward_weight)
      return is_done(ActionKind::backward_input, a.stage, a.microbatch);
    const bool forward = a.kind == ActionKind::forward;
    if (!forward && !is_done(ActionKind::forward, a.stage, a.microbatch)) return false;
    return std::ranges::all_of(plan.channels, [&](const Channel& c) {
      if (c.to != a.stage || (c.phase == Phase::forward) != forward) return true;
      if (forward) return is_done(ActionKind::forward, c.from, a.microbatch);
      return is_done(ActionKind::backward, c.from, a.microbatch) ||
             is_done(ActionKind::backward_input, c.from, a.microbatch);
    });
  };
  while (!left.empty()) {
    const size_t pick = random() % left.size();
    const Action a = left[pick];
    if (!ready(a)) continue;
    s.devices[plan.device[a.stage]].push_back(a);
    done[static_cast<int>(a.kind)][a.stage * m + a.microbatch] = 1;
    std::swap(left[pick], left.back());
    left.pop_back();
  }
  return s;
}

// F, I and W of one device's share, spread over its v stages.
inline StagePlan looped_plan(int p, int v, double forward, double input, double weight) {
  StageCost cost;
  cost.forward_s = forward / v;
  cost.backward_input_s = input / v;
  cost.backward_weight_s = weight / v;
  return plan_for(looped_placement(p, v), cost);
}

}  // namespace headrace::testing
