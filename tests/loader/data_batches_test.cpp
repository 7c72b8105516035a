#include "loader/data/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <numeric>

#include "graph/error.h"
#include "loader/data/shuffle.h"
#include "tests/temporary_folder.h"

namespace {
std::atomic<int64_t> allocations{0};
}

// The pairs below match each other, which the compiler cannot see once they are inlined.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
// Inlined, the compiler would take the free for one of memory from another operator new.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Sample i of the only field is the number i, twice.
class Numbers : public Dataset {
 public:
  explicit Numbers(int64_t samples)
      : Dataset("numbers", {{"x", {DType::i64, {2}}}}), samples_(samples) {}

  int64_t samples() const override { return samples_; }
  void read(std::span<const int64_t> samples, size_t, void* destination) const override {
    auto* to = static_cast<int64_t*>(destination);
    for (const int64_t sample : samples) {
      if (sample == fails_at) throw Error("sample {} is bad", sample);
      *to++ = sample;
      *to++ = sample;
    }
  }
  std::pair<int64_t, int64_t> integer_range(size_t) const override { return {0, samples_ - 1}; }

  std::atomic<int64_t> fails_at = -1;

 private:
  int64_t samples_;
};

std::vector<int64_t> samples_in(const Batch& batch) {
  std::vector<int64_t> samples;
  for (size_t at = 0; at < batch.fields[0].size(); at += 2 * sizeof(int64_t)) {
    int64_t sample;
    std::memcpy(&sample, batch.fields[0].data() + at, sizeof sample);
    samples.push_back(sample);
  }
  return samples;
}

TEST(Shuffle, IsTheSameOnEveryMachine) {
  std::vector<int64_t> order(10);
  shuffle(order, 7, 0);
  EXPECT_THAT(order, ElementsAre(4, 1, 9, 2, 5, 8, 0, 7, 3, 6));
  shuffle(order, 7, 1);
  EXPECT_THAT(order, ElementsAre(1, 2, 0, 4, 8, 6, 3, 7, 5, 9));
}

TEST(Shuffle, EveryPermutationComesEquallyOften) {
  std::map<std::vector<int64_t>, int> counts;
  std::vector<int64_t> order(4);
  for (uint64_t seed = 0; seed < 240; ++seed)
    for (int64_t epoch = 0; epoch < 100; ++epoch) {
      shuffle(order, seed, epoch);
      ++counts[order];
    }
  ASSERT_EQ(counts.size(), 24);
  double chi_squared = 0;
  for (const auto& [permutation, count] : counts)
    chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi_squared, 49.7);  // 23 degrees of freedom, one in a thousand lies above
}

TEST(BatchSource, GivesWholeBatchesInOrder) {
  BatchSource source(std::make_shared<Numbers>(7), 3, false, 0);
  EXPECT_EQ(source.batches_per_epoch(), 2);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_THAT(samples_in(source.next()), ElementsAre(0, 1, 2));
    EXPECT_EQ(source.position(), (DataPosition{epoch, 1}));
    const Batch& second = source.next();
    EXPECT_THAT(samples_in(second), ElementsAre(3, 4, 5));
    EXPECT_EQ(second.position, (DataPosition{epoch, 1}));
    EXPECT_EQ(second.samples, 3);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(second.fields[0].data()) % 64, 0);
    EXPECT_EQ(source.position(), (DataPosition{epoch + 1, 0}));
  }
  EXPECT_THAT(message_of<Error>([] { BatchSource(std::make_shared<Numbers>(2), 3, true, 0); }),
              HasSubstr("numbers: 2 samples are too few for a batch of 3"));
}

TEST(BatchSource, PadsTheLastBatchForEvaluation) {
  BatchSource source(std::make_shared<Numbers>(4), 3, false, 0, Remainder::pad);
  EXPECT_EQ(source.batches_per_epoch(), 2);
  EXPECT_EQ(source.next().samples, 3);
  const Batch& last = source.next();
  EXPECT_EQ(last.samples, 1);
  EXPECT_THAT(samples_in(last), ElementsAre(3, 3, 3));
  EXPECT_THAT(samples_in(source.next()), ElementsAre(0, 1, 2));
}

TEST(BatchSource, ShufflesEachEpochAnew) {
  const auto data = std::make_shared<Numbers>(20);
  BatchSource source(data, 5, true, 42), other_seed(data, 5, true, 43);
  std::vector<std::vector<int64_t>> epochs(3);
  std::vector<int64_t> other;
  for (auto& epoch : epochs)
    for (int i = 0; i < 4; ++i)
      for (const int64_t sample : samples_in(source.next())) epoch.push_back(sample);
  for (int i = 0; i < 4; ++i)
    for (const int64_t sample : samples_in(other_seed.next())) other.push_back(sample);
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
  EXPECT_NE(epochs[0], other);
  std::vector<int64_t> all(20);
  std::iota(all.begin(), all.end(), 0);
  for (const auto& epoch : epochs) EXPECT_THAT(epoch, testing::UnorderedElementsAreArray(all));
}

TEST(BatchSource, ResumesExactlyFromAnyPosition) {
  const auto data = std::make_shared<Numbers>(11);
  BatchSource whole(data, 2, true, 5);
  std::vector<DataPosition> positions;
  std::vector<std::vector<int64_t>> batches;
  for (int i = 0; i < 16; ++i) {
    positions.push_back(whole.position());
    batches.push_back(samples_in(whole.next()));
  }
  BatchSource resumed(data, 2, true, 5);
  for (size_t start : {13, 4, 0, 5, 9}) {  // also backwards, from a source that is running
    resumed.seek(positions[start]);
    for (size_t i = start; i < std::min<size_t>(start + 3, batches.size()); ++i)
      EXPECT_EQ(samples_in(resumed.next()), batches[i]) << start << " " << i;
  }
  EXPECT_THROW(resumed.seek({0, 5}), Error);
  EXPECT_THROW(resumed.seek({-1, 0}), Error);
}

TEST(BatchSource, ErrorsOfTheThreadReachTheCaller) {
  const auto data = std::make_shared<Numbers>(6);
  data->fails_at = 3;
  BatchSource source(data, 2, false, 0);
  EXPECT_THAT(samples_in(source.next()), ElementsAre(0, 1));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(message_of<Error>([&] { source.next(); }), "sample 3 is bad");
  data->fails_at = -1;
  source.seek({0, 1});
  EXPECT_THAT(samples_in(source.next()), ElementsAre(2, 3));
}

TEST(BatchSource, AllocatesNothingPerBatch) {
  BatchSource source(std::make_shared<Numbers>(1000), 10, true, 1);
  source.next();
  const int64_t before = allocations;
  for (int i = 0; i < 500; ++i) source.next();
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace headrace
