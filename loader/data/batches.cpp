#include "loader/data/batches.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "graph/error.h"
#include "loader/data/shuffle.h"

namespace headrace {
namespace {
constexpr size_t kAlignment = 64;
}

void BatchSource::Free::operator()(std::byte* memory) const { std::free(memory); }

BatchSource::BatchSource(std::shared_ptr<const Dataset> dataset, int64_t batch_size, bool shuffled,
                         uint64_t seed, Remainder remainder)
    : dataset_(std::move(dataset)),
      batch_size_(batch_size),
      shuffled_(shuffled),
      seed_(seed),
      order_(static_cast<size_t>(dataset_->samples())),
      chosen_(static_cast<size_t>(batch_size)) {
  HEADRACE_CHECK(batch_size > 0);
  const int64_t samples = dataset_->samples();
  const int64_t short_of_one = remainder == Remainder::pad ? batch_size - 1 : 0;
  batches_per_epoch_ = (samples + short_of_one) / batch_size;
  if (batches_per_epoch_ == 0)
    throw Error("{}: {} samples are too few for a batch of {}", dataset_->path(), samples,
                batch_size);
  std::iota(order_.begin(), order_.end(), int64_t{0});
  for (Slot& slot : slots_)
    for (const Field& field : dataset_->fields()) {
      const auto bytes = static_cast<size_t>(batch_size * field.sample.bytes());
      const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
      slot.memory.emplace_back(static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)));
      if (slot.memory.back() == nullptr)
        throw RunError("out of memory: {} bytes for a batch of field '{}'", bytes, field.name);
      slot.batch.fields.emplace_back(slot.memory.back().get(), bytes);
    }
  thread_ = std::thread([this] { prefetch(); });
}

BatchSource::~BatchSource() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

DataPosition BatchSource::after(DataPosition position) const {
  if (++position.batch == batches_per_epoch_) position = {position.epoch + 1, 0};
  return position;
}

const Batch& BatchSource::next() {
  std::unique_lock lock(mutex_);
  started_ = true;
  if (std::exchange(held_, false)) {
    slots_[taking_].full = false;
    taking_ ^= 1;
  }
  changed_.notify_all();
  Slot& slot = slots_[taking_];
  changed_.wait(lock, [&] { return slot.full; });
  if (slot.failure) std::rethrow_exception(slot.failure);
  held_ = true;
  position_ = after(position_);
  return slot.batch;
}

void BatchSource::seek(DataPosition position) {
  if (position.epoch < 0 || position.batch < 0 || position.batch >= batches_per_epoch_)
    throw Error("{}: no batch {} in epoch {}: an epoch has {} batches of {} samples",
                dataset_->path(), position.batch, position.epoch, batches_per_epoch_, batch_size_);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !busy_; });
  for (Slot& slot : slots_) {
    slot.full = false;
    slot.failure = nullptr;
  }
  taking_ = filling_ = 0;
  held_ = false;
  position_ = ahead_ = position;
  changed_.notify_all();
}

void BatchSource::prefetch() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopped_ || (started_ && !slots_[filling_].full); });
    if (stopped_) return;
    Slot& slot = slots_[filling_];
    busy_ = true;
    lock.unlock();
    std::exception_ptr failure;
    try {
      fill(slot, ahead_);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    busy_ = false;
    slot.failure = failure;
    slot.full = true;
    filling_ ^= 1;
    ahead_ = after(ahead_);
    changed_.notify_all();
  }
}

void BatchSource::fill(Slot& slot, DataPosition position) {
  if (shuffled_ && order_epoch_ != position.epoch) {
    shuffle(order_, seed_, position.epoch);
    order_epoch_ = position.epoch;
  }
  const int64_t first = position.batch * batch_size_;
  const int64_t count = std::min(batch_size_, static_cast<int64_t>(order_.size()) - first);
  std::copy_n(order_.begin() + first, count, chosen_.begin());
  std::fill(chosen_.begin() + count, chosen_.end(), chosen_[static_cast<size_t>(count - 1)]);
  for (size_t i = 0; i < slot.memory.size(); ++i) dataset_->read(chosen_, i, slot.memory[i].get());
  slot.batch.position = position;
  slot.batch.samples = count;
}

}  // namespace headrace
