#include "graph/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace headrace {
namespace {

TEST(Nearest, CountsChangedMissingAddedAndSwappedLetters) {
  const std::vector<std::string> known{"gpipe", "1f1b", "breadth-first", "depth-first"};
  EXPECT_EQ(nearest("gpip", known), "gpipe");
  EXPECT_EQ(nearest("1fb1", known), "1f1b");
  EXPECT_EQ(nearest("bredth-frist", known), "breadth-first");
  EXPECT_EQ(nearest("dept-first", known), "depth-first");
  EXPECT_EQ(nearest("GPipe", known), "gpipe");
  EXPECT_EQ(nearest("", known), "1f1b");
}

TEST(Nearest, TakesTheFirstOfEquals) {
  const std::vector<std::string> known{"ab", "ac", "ba"};
  EXPECT_EQ(nearest("ad", known), "ab");
  EXPECT_EQ(nearest("ba", known), "ba");
  EXPECT_EQ(nearest("x", {}), "");
}

}  // namespace
}  // namespace headrace
