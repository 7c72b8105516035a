#include "tests/cuda/described_cards.h"

#include <nlohmann/json.hpp>

namespace headrace {

std::string device_properties(const Card& card) {
  return nlohmann::json{
      {"cudaDeviceId", 0},
      {"deviceName", card.device_name},
      {"deviceVer", 10 * card.sm_version},
      {"driverVer", 13000},
      {"isTccDriver", 0},
      {"l2CacheSize", card.l2_bytes},
      {"maxBlockSize", {1024, 1024, 64}},
      {"maxCtasPerSM", 32},
      {"maxGridSize", {2147483647, 65535, 65535}},
      {"maxRegistersPerSM", 65536},
      {"maxSharedMemoryPerBlock", 49152},
      {"maxSharedMemoryPerBlockOptin", card.shared_bytes_optin},
      {"maxThreadsPerBlock", 1024},
      {"maxThreadsPerSM", 2048},
      {"memClockRateKHz", card.memory_clock_khz},
      {"multiProcessorCount", card.multiprocessors},
      {"pciDeviceId", 0},
      {"regsPerBlock", 65536},
      {"reservedSharedMemoryPerBlock", 1024},
      {"smClockRateKHz", card.clock_khz},
      {"supportCoopLaunch", 1},
      {"totalGlobalMem", card.memory_bytes},
      {"warpSize", 32},
  }
      .dump();
}

}  // namespace headrace
