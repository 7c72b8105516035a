// AddressSanitizer brings an allocator of its own, which these would get in the way of.
#ifndef __SANITIZE_ADDRESS__

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string_view>

#include "tests/pipelines/fixture_run.h"

namespace {

std::atomic<bool> counting = false;
std::atomic<int64_t> allocations = 0;

// oneDNN keeps its arguments in a small map while a primitive runs; that is its own affair.
bool called_by_onednn(const void* caller) {
  Dl_info info;
  return dladdr(caller, &info) != 0 && info.dli_fname != nullptr &&
         std::string_view(info.dli_fname).find("libdnnl") != std::string_view::npos;
}

void* counted(size_t bytes, const void* caller) {
  if (counting && !called_by_onednn(caller)) ++allocations;
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The pairs below match each other, which the compiler cannot see once they are inlined.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(size_t bytes) { return counted(bytes, __builtin_return_address(0)); }
void* operator new[](size_t bytes) { return counted(bytes, __builtin_return_address(0)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace headrace {
namespace {

int64_t allocations_of_a_step(const FixtureRun& run) {
  FixtureTraining training(run);
  for (int warm_up = 0; warm_up < 2; ++warm_up) training.step();
  training.feed(2);
  allocations = 0;
  counting = true;
  training.pipeline().train_step({.step = 2, .learning_rate = 1e-3});
  counting = false;
  return allocations;
}

TEST(Allocation, AStepTakesNoMemory) {
  EXPECT_EQ(allocations_of_a_step({.model = "tests/fixtures/resnet_train.legacy.onnx",
                                   .devices = "cpu:2",
                                   .stages_per_device = 2,
                                   .scheduler = "breadth-first",
                                   .clip_norm = 1}),
            0);
  EXPECT_EQ(allocations_of_a_step({.model = "tests/fixtures/gpt_tied.dynamo.onnx",
                                   .devices = "cpu:4",
                                   .scheduler = "1f1b"}),
            0);
}

TEST(Allocation, TheCountSeesOne) {
  allocations = 0;
  counting = true;
  auto* number = new int(1);
  counting = false;
  EXPECT_EQ(allocations, 1);
  delete number;
}

}  // namespace
}  // namespace headrace

#endif  // __SANITIZE_ADDRESS__
