#pragma once

#include <cstdint>
#include <span>

namespace headrace {

// Fills `order` with a permutation of 0 .. size - 1 that depends on (seed, epoch) and size alone,
// on any machine: the Fisher-Yates shuffle (Durstenfeld 1964) over numbers of splitmix64 (Steele,
// Lea and Flood 2014), each bounded without bias (Lemire 2019).
void shuffle(std::span<int64_t> order, uint64_t seed, int64_t epoch);

}  // namespace headrace
