#include "plugins/partitioners/stage_domains.h"

#include <algorithm>

namespace headrace::partitioners {
namespace {

// Sums of the same seconds in another order differ by less than this.
constexpr double kRounding = 1 + 1e-11;

size_t at(int index) { return static_cast<size_t>(index); }
uint64_t bit(int index) { return uint64_t{1} << index; }
int lowest(uint64_t set) { return __builtin_ctzll(set); }
int highest(uint64_t set) { return 63 - __builtin_clzll(set); }
bool is_single(uint64_t set) { return (set & (set - 1)) == 0; }
int count(uint64_t set) { return __builtin_popcountll(set); }

}  // namespace

StageDomains::StageDomains(const Units& units)
    : units_(units),
      stages_of_device_(units.speed.size()),
      stages_(units.seconds.size()),
      tensors_(units.tensors.size()) {
  for (int s = 0; s < units.stages(); ++s)
    stages_of_device_[at(units.device_of_stage[at(s)])] |= bit(s);
  const uint64_t all = units.stages() == 64 ? ~uint64_t{0} : bit(units.stages()) - 1;
  std::fill(stages_.begin(), stages_.end(), all);
  devices_.assign(stages_.size(), devices_of(all));
  stages_matter_ = !units.empty_stages;
  for (int s = 0; s < units.stages(); ++s) {
    const int device = units.device_of_stage[at(s)];
    const int first = lowest(stages_of_device_[at(device)]);
    stages_matter_ |=
        units.memory_bytes[at(device)] > 0 && units.in_flight[at(s)] != units.in_flight[at(first)];
  }
  std::vector<int> waiting;
  for (int unit = 0; unit < units.size(); ++unit) {
    waiting.push_back(static_cast<int>(units.before[at(unit)].size()));
    if (waiting.back() == 0) topological_.push_back(unit);
  }
  for (size_t done = 0; done < topological_.size(); ++done)
    for (const int next : units.after[at(topological_[done])])
      if (--waiting[at(next)] == 0) topological_.push_back(next);
}

void StageDomains::set_limit(double limit_s) {
  limit_s_ = limit_s * kRounding;
  const double fastest = *std::max_element(units_.speed.begin(), units_.speed.end());
  inseparable_.clear();
  for (const Tensor& tensor : units_.tensors)
    for (const int reader : tensor.readers) {
      const double work = units_.overlapped ? 0
                                            : std::max(units_.seconds[at(tensor.producer)],
                                                       units_.seconds[at(reader)]);
      if (tensor.seconds + work / fastest > limit_s_)
        inseparable_.emplace_back(tensor.producer, reader);
    }
}

int StageDomains::first_stage(int unit) const { return lowest(stages_[at(unit)]); }

uint64_t StageDomains::devices_of(uint64_t stages) const {
  uint64_t devices = 0;
  for (; stages != 0; stages &= stages - 1)
    devices |= bit(units_.device_of_stage[at(lowest(stages))]);
  return devices;
}

void StageDomains::restrict(int unit, uint64_t stages) { keep(unit, stages); }

bool StageDomains::keep(int unit, uint64_t stages) {
  uint64_t& mine = stages_[at(unit)];
  const uint64_t left = mine & stages;
  if (left == mine) return true;
  trail_.emplace_back(unit, mine);
  mine = left;
  devices_[at(unit)] = devices_of(left);
  changed_ = true;
  return left != 0;
}

void StageDomains::undo(size_t mark) {
  while (trail_.size() > mark) {
    const auto [unit, stages] = trail_.back();
    trail_.pop_back();
    stages_[at(unit)] = stages;
    devices_[at(unit)] = devices_of(stages);
  }
}

bool StageDomains::order() {
  for (const int unit : topological_) {
    uint64_t allowed = ~uint64_t{0};
    for (const int from : units_.before[at(unit)]) allowed &= ~(bit(first_stage(from)) - 1);
    if (!keep(unit, allowed)) return false;
  }
  for (auto unit = topological_.rbegin(); unit != topological_.rend(); ++unit) {
    uint64_t allowed = ~uint64_t{0};
    for (const int to : units_.after[at(*unit)]) {
      const int last = highest(stages_[at(to)]);
      if (last < 63) allowed &= bit(last + 1) - 1;
    }
    if (!keep(*unit, allowed)) return false;
  }
  for (const auto& [a, b] : inseparable_) {
    const uint64_t shared = devices_[at(a)] & devices_[at(b)];
    for (const int unit : {a, b}) {
      if (devices_[at(unit)] == shared) continue;
      uint64_t stages = 0;
      for (uint64_t rest = shared; rest != 0; rest &= rest - 1)
        stages |= stages_of_device_[at(lowest(rest))];
      if (!keep(unit, stages)) return false;
    }
  }
  return true;
}

bool StageDomains::no_stage_is_empty() {
  if (units_.empty_stages) return true;
  uint64_t once = 0, twice = 0;
  for (const uint64_t stages : stages_) {
    twice |= once & stages;
    once |= stages;
  }
  if (count(once) < units_.stages()) return false;
  for (uint64_t only = once & ~twice; only != 0; only &= only - 1)
    for (int unit = 0; unit < units_.size(); ++unit)
      if ((stages_[at(unit)] & bit(lowest(only))) != 0 && !keep(unit, bit(lowest(only))))
        return false;
  return true;
}

bool StageDomains::add_up() {
  compute_s_.assign(units_.speed.size(), 0);
  transfer_s_.assign(units_.speed.size(), 0);
  bytes_.assign(units_.speed.size(), 0);
  senders_.clear();
  for (int unit = 0; unit < units_.size(); ++unit) {
    if (!is_single(devices_[at(unit)])) continue;
    const auto device = at(lowest(devices_[at(unit)]));
    compute_s_[device] += units_.seconds[at(unit)] / units_.speed[device];
    if (units_.memory_bytes[device] == 0) continue;
    int64_t least = units_.bytes(unit, first_stage(unit));
    for (uint64_t rest = stages_[at(unit)]; rest != 0; rest &= rest - 1)
      least = std::min(least, units_.bytes(unit, lowest(rest)));
    bytes_[device] += least;
  }
  for (size_t t = 0; t < tensors_.size(); ++t) {
    const Tensor& tensor = units_.tensors[t];
    const uint64_t home = devices_[at(tensor.producer)];
    TensorState& state = tensors_[t];
    state = {};
    for (const int reader : tensor.readers) {
      const uint64_t there = devices_[at(reader)];
      if (is_single(there)) state.reached |= there;
      state.leaves |= (there & home) == 0;
    }
    const uint64_t received = state.reached & ~home;
    for (uint64_t rest = received; rest != 0; rest &= rest - 1)
      transfer_s_[at(lowest(rest))] += tensor.seconds;
    if (!state.leaves) continue;
    const double sent = tensor.seconds * (units_.host ? 1 : std::max(1, count(received)));
    if (is_single(home))
      transfer_s_[at(lowest(home))] += sent;
    else
      senders_.emplace_back(home, sent);
  }
  for (int d = 0; d < units_.devices(); ++d)
    if (load(d) > limit_s_ ||
        (units_.memory_bytes[at(d)] > 0 && bytes_[at(d)] > units_.memory_bytes[at(d)]))
      return false;
  return true;
}

double StageDomains::load(int device) const {
  const double compute = compute_s_[at(device)], transfer = transfer_s_[at(device)];
  return units_.overlapped ? std::max(compute, transfer) : compute + transfer;
}

// Seconds of transfers that `unit` on `device` adds there; `fits` turns false where it adds too
// much elsewhere.
double StageDomains::transfers_on(int unit, int device, bool& fits) const {
  const uint64_t here = bit(device);
  const auto other_fits = [&](int other, double more) {
    const double transfer = transfer_s_[at(other)] + more;
    return (units_.overlapped ? transfer : compute_s_[at(other)] + transfer) <= limit_s_;
  };
  double added = 0;
  for (const int t : units_.touching[at(unit)]) {
    const Tensor& tensor = units_.tensors[at(t)];
    const TensorState& state = tensors_[at(t)];
    if (tensor.producer == unit) {
      int others = 0;
      for (uint64_t rest = state.reached & ~here; rest != 0; rest &= rest - 1) {
        ++others;
        const int other = lowest(rest);
        if ((devices_[at(unit)] & bit(other)) != 0) fits &= other_fits(other, tensor.seconds);
      }
      bool leaves = others > 0 || state.leaves;
      for (size_t r = 0; r < tensor.readers.size() && !leaves; ++r)
        leaves = (devices_[at(tensor.readers[r])] & here) == 0;
      if (leaves) added += tensor.seconds * (units_.host ? 1 : std::max(1, others));
      continue;
    }
    const uint64_t home = devices_[at(tensor.producer)];
    if ((home & here) != 0 || (state.reached & here) != 0) continue;
    added += tensor.seconds;
    if (!is_single(home)) continue;
    const bool sends_more =
        units_.host ? !state.leaves : !state.leaves || (state.reached & ~home) != 0;
    if (sends_more) fits &= other_fits(lowest(home), tensor.seconds);
  }
  return added;
}

double StageDomains::cost_on(int unit, int device) const {
  bool fits = true;
  return units_.seconds[at(unit)] / units_.speed[at(device)] + transfers_on(unit, device, fits);
}

bool StageDomains::filter_loads() {
  for (int unit = 0; unit < units_.size(); ++unit) {
    if (is_single(devices_[at(unit)])) continue;
    uint64_t refused = 0;
    for (uint64_t rest = devices_[at(unit)]; rest != 0; rest &= rest - 1) {
      const int device = lowest(rest);
      bool fits = true;
      const double compute =
          compute_s_[at(device)] + units_.seconds[at(unit)] / units_.speed[at(device)];
      const double transfer = transfer_s_[at(device)] + transfers_on(unit, device, fits);
      fits &= (units_.overlapped ? std::max(compute, transfer) : compute + transfer) <= limit_s_;
      if (fits && units_.memory_bytes[at(device)] > 0) {
        int64_t least = INT64_MAX;
        for (uint64_t s = stages_[at(unit)] & stages_of_device_[at(device)]; s != 0; s &= s - 1)
          least = std::min(least, units_.bytes(unit, lowest(s)));
        fits = bytes_[at(device)] + least <= units_.memory_bytes[at(device)];
      }
      if (!fits) refused |= stages_of_device_[at(device)];
    }
    if (refused != 0 && !keep(unit, ~refused)) return false;
  }
  return true;
}

bool StageDomains::has_room() const {
  const int devices = units_.devices();
  const auto wide = at(devices);
  // Work in seconds at speed 1, by the first and the last device that it may go to.
  std::vector<double> work(wide * wide);
  for (int unit = 0; unit < units_.size(); ++unit) {
    const uint64_t set = devices_[at(unit)];
    if (!is_single(set))
      work[at(lowest(set)) * wide + at(highest(set))] += units_.seconds[at(unit)];
  }
  if (!units_.overlapped) {
    const double slowest = *std::min_element(units_.speed.begin(), units_.speed.end());
    for (const auto& [set, seconds] : senders_)
      work[at(lowest(set)) * wide + at(highest(set))] += seconds * slowest;
  }
  for (int last = 0; last < devices; ++last) {
    double room = 0, needed = 0;
    for (int first = last; first >= 0; --first) {
      const double load = units_.overlapped ? compute_s_[at(first)]
                                            : compute_s_[at(first)] + transfer_s_[at(first)];
      room += (limit_s_ - load) * units_.speed[at(first)];
      for (int end = first; end <= last; ++end) needed += work[at(first) * wide + at(end)];
      if (needed > room * kRounding + 1e-300) return false;
    }
  }
  return true;
}

bool StageDomains::propagate() {
  do {
    do {
      changed_ = false;
      if (!order() || !no_stage_is_empty()) return false;
    } while (changed_);
    if (!add_up() || !has_room() || !filter_loads()) return false;
  } while (changed_);
  return true;
}

}  // namespace headrace::partitioners
