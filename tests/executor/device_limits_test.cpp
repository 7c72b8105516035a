#include "executor/device_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/error.h"

namespace headrace {
namespace {

using testing::ElementsAre;

TEST(DeviceLimits, ReadSizesWithTheirUnits) {
  EXPECT_THAT(memory_limits("2GiB", 2), ElementsAre(2147483648, 2147483648));
  EXPECT_THAT(memory_limits("1.5kB,3MB", 2), ElementsAre(1500, 3000000));
  EXPECT_THAT(memory_limits("4096,0,1TiB", 3), ElementsAre(4096, 0, 1099511627776));
  EXPECT_THAT(memory_limits("", 2), ElementsAre(0, 0));
}

TEST(DeviceLimits, WhatIsNoSizeIsRefused) {
  for (const char* text : {"GiB", "2gib", "-1GB", "1e40", "nan", "2 GB", "1,2,3", "1,", ","})
    EXPECT_THROW(memory_limits(text, 2), Error) << text;
}

}  // namespace
}  // namespace headrace
