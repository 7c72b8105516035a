#include "loader/data/shuffle.h"

#include <numeric>
#include <utility>

namespace headrace {
namespace {

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t state) : state_(state) {}

  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, bound).
  uint64_t below(uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    Wide product = Wide{next()} * bound;
    if (static_cast<uint64_t>(product) < bound) {
      const uint64_t surplus = (0 - bound) % bound;
      while (static_cast<uint64_t>(product) < surplus) product = Wide{next()} * bound;
    }
    return static_cast<uint64_t>(product >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace

void shuffle(std::span<int64_t> order, uint64_t seed, int64_t epoch) {
  // One generator's output seeds the next, so that neighbouring seeds and epochs share no stream.
  SplitMix64 random(SplitMix64(SplitMix64(seed).next() + static_cast<uint64_t>(epoch)).next());
  std::iota(order.begin(), order.end(), int64_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
}

}  // namespace headrace
