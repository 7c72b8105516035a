#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "loader/data/dataset.h"

namespace headrace {

// A place in the sequence of batches: `batch` counts within the epoch.
struct DataPosition {
  int64_t epoch = 0, batch = 0;
  bool operator==(const DataPosition&) const = default;
};

struct Batch {
  DataPosition position;
  int64_t samples = 0;  // the first of the batch that count: fewer than its size only with padding
  std::vector<std::span<const std::byte>> fields;  // [batch, ...sample] each, 64-byte aligned
};

// What happens to the samples that do not fill a batch at the end of an epoch: left out, or given
// as a last batch that repeats its last sample (for evaluation).
enum class Remainder { drop, pad };

// Batches of a data set, epoch after epoch, in the data set's order or shuffled anew in each epoch
// by (seed, epoch). A thread fills the next batch while the caller uses the current one; nothing is
// allocated after construction. Used by one thread.
class BatchSource {
 public:
  // Throws Error when the data set has too few samples for one batch.
  BatchSource(std::shared_ptr<const Dataset> dataset, int64_t batch_size, bool shuffled,
              uint64_t seed, Remainder remainder = Remainder::drop);
  ~BatchSource();
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;

  const Dataset& dataset() const { return *dataset_; }
  int64_t batch_size() const { return batch_size_; }
  int64_t batches_per_epoch() const { return batches_per_epoch_; }

  // The next batch, valid until the next call of next() or seek(). Rethrows what reading threw.
  const Batch& next();

  // Where the batch stands that next() will return: what a checkpoint keeps.
  DataPosition position() const { return position_; }

  // Makes next() return the batch at a position, the same as an uninterrupted source would. Throws
  // Error when the data have no such place.
  void seek(DataPosition position);

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  struct Slot {
    std::vector<std::unique_ptr<std::byte[], Free>> memory;  // per field
    Batch batch;
    bool full = false;
    std::exception_ptr failure;
  };

  DataPosition after(DataPosition position) const;
  void prefetch();
  void fill(Slot& slot, DataPosition position);

  std::shared_ptr<const Dataset> dataset_;
  int64_t batch_size_, batches_per_epoch_;
  bool shuffled_;
  uint64_t seed_;
  DataPosition position_;  // of the caller

  // The thread's own while it fills.
  std::vector<int64_t> order_;  // of the samples in epoch order_epoch_
  int64_t order_epoch_ = -1;
  std::vector<int64_t> chosen_;  // samples of the batch being filled

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Slot, 2> slots_;
  size_t taking_ = 0, filling_ = 0;  // slots of the caller's next batch and of the thread's
  bool held_ = false;                // the caller uses slots_[taking_]
  bool busy_ = false;                // the thread fills slots_[filling_]
  bool started_ = false, stopped_ = false;
  DataPosition ahead_;  // what the thread fills next
  std::thread thread_;
};

}  // namespace headrace
