#pragma once

#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/kernel.h"

namespace headrace {

struct PhiloxBlock {
  uint32_t word[4];
};

// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy as
// 1, 2, 3" (SC 2011): four uniform 32-bit words for a 128-bit counter and a 64-bit key.
HEADRACE_HOST_DEVICE inline PhiloxBlock philox4x32_10(PhiloxBlock counter, uint32_t key0,
                                                      uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter.word[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter.word[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0,
                static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1,
                static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// The draws of one Dropout or RandomUniform node in one micro-batch. Every backend takes them from
// here, so that they have the same bits wherever the node is placed. The counter is (element / 4 in
// 64 bits, step, micro-batch); element e takes word e % 4. The key mixes the run's seed and the
// node's.
class DropoutDraw {
 public:
  DropoutDraw(double ratio, int64_t node_seed, const StepContext& step)
      : threshold_(static_cast<uint64_t>(ratio * 4294967296.0)),
        step_(static_cast<uint32_t>(step.step)),
        microbatch_(static_cast<uint32_t>(step.microbatch)) {
    const uint64_t key = mix(step.seed ^ mix(static_cast<uint64_t>(node_seed)));
    key0_ = static_cast<uint32_t>(key);
    key1_ = static_cast<uint32_t>(key >> 32);
  }

  // The words of elements 4 block .. 4 block + 3.
  HEADRACE_HOST_DEVICE PhiloxBlock block(uint64_t block) const {
    return philox4x32_10(
        {{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), step_, microbatch_}},
        key0_, key1_);
  }
  // An element is kept with probability 1 - ratio.
  HEADRACE_HOST_DEVICE bool keeps(uint32_t word) const { return word >= threshold_; }
  HEADRACE_HOST_DEVICE bool keeps_element(uint64_t element) const {
    return keeps(block(element / 4).word[element % 4]);
  }

 private:
  // The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
  static uint64_t mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

  uint64_t threshold_;  // of 2^32
  uint32_t step_, microbatch_, key0_, key1_;
};

// A number of [0, 1) out of a word: 24 bits, exact in f32.
HEADRACE_HOST_DEVICE inline float uniform_of(uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24F;
}

// What kept elements are multiplied by; 0 where everything is dropped.
inline double dropout_scale(double ratio) { return ratio < 1 ? 1 / (1 - ratio) : 0; }

}  // namespace headrace
