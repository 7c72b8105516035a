#include "executor/rates_json.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace headrace {
namespace {

struct Rate {
  const char* name;
  double DeviceRates::*value;
};

constexpr std::array<Rate, 7> kRates = {{
    {"matmul_flops_per_s", &DeviceRates::matmul_flops_per_s},
    {"convolution_flops_per_s", &DeviceRates::convolution_flops_per_s},
    {"elementwise_flops_per_s", &DeviceRates::elementwise_flops_per_s},
    {"memory_bytes_per_s", &DeviceRates::memory_bytes_per_s},
    {"node_overhead_s", &DeviceRates::node_overhead_s},
    {"copy_bytes_per_s", &DeviceRates::copy_bytes_per_s},
    {"copy_latency_s", &DeviceRates::copy_latency_s},
}};

}  // namespace

nlohmann::json to_json(const DeviceRates& rates) {
  auto json = nlohmann::json::object();
  for (const Rate& rate : kRates) json[rate.name] = rates.*rate.value;
  return json;
}

std::optional<DeviceRates> rates_from_json(const nlohmann::json& json) {
  DeviceRates rates;
  if (!json.is_object()) return std::nullopt;
  for (const Rate& rate : kRates) {
    const auto it = json.find(rate.name);
    if (it == json.end() || !it->is_number()) return std::nullopt;
    const double value = it->get<double>();
    if (!std::isfinite(value) || value <= 0) return std::nullopt;
    rates.*rate.value = value;
  }
  return rates;
}

}  // namespace headrace
