#pragma once

#include <string>

namespace headrace {

// A GPU as cuDNN wants it described where there is none: its device properties as JSON (attribute
// CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION). The numbers below were typed in from what is known of
// these cards and were never compared with what a live one reports.
struct Card {
  const char* name;
  const char* device_name;
  int sm_version, multiprocessors;
  int shared_bytes_optin, l2_bytes;
  long long memory_bytes;
  int clock_khz, memory_clock_khz;
};

inline constexpr Card kCards[] = {
    {"A100", "NVIDIA A100-SXM4-80GB", 80, 108, 166'912, 41'943'040, 85'097'971'712, 1'410'000,
     1'593'000},
    {"H100", "NVIDIA H100 80GB HBM3", 90, 132, 232'448, 52'428'800, 85'028'765'696, 1'980'000,
     2'619'000},
    {"B200", "NVIDIA B200", 100, 148, 232'448, 132'644'864, 192'265'846'784, 1'965'000, 3'996'000},
};

std::string device_properties(const Card& card);

}  // namespace headrace
