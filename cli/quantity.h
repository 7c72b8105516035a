#pragma once

#include <cstdint>
#include <string>

namespace headrace {

// For people, three digits: "1.25 MB" (powers of 1000), "12.3 ms", "4.12 G" (1e9).
std::string show_bytes(double bytes);
std::string show_seconds(double seconds);
std::string show_number(double number);

std::string show_count(int64_t count);      // "1,234,567"
std::string show_percent(double fraction);  // "12.3 %"

std::string one_of_replicas(int replicas);  // ", one of 2 replicas"; empty for one

}  // namespace headrace
