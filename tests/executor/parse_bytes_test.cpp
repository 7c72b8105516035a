#include "executor/parse_bytes.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(ParseBytes, SizesWithTheirUnits) {
  EXPECT_EQ(parse_bytes("0"), 0);
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("1GiB"), 1073741824);
  EXPECT_EQ(parse_bytes("1.5kB"), 1500);
}

TEST(ParseBytes, WhatIsNoSize) {
  for (const char* text : {"", "GiB", "1gib", "-1GB", "1e40", "nan", "inf", "2 GB", "1GiB,2GiB"})
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
}

}  // namespace
}  // namespace headrace
