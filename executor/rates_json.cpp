#include "executor/rates_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace headrace {

nlohmann::json to_json(const DeviceRates& rates) {
  auto json = nlohmann::json::object();
  for (const NamedRate& rate : kDeviceRates) json[rate.name] = rates.*rate.value;
  return json;
}

std::optional<DeviceRates> rates_from_json(const nlohmann::json& json) {
  DeviceRates rates;
  if (!json.is_object()) return std::nullopt;
  for (const NamedRate& rate : kDeviceRates) {
    const auto it = json.find(rate.name);
    if (it == json.end() || !it->is_number()) return std::nullopt;
    const double value = it->get<double>();
    if (!std::isfinite(value) || value <= 0) return std::nullopt;
    rates.*rate.value = value;
  }
  return rates;
}

}  // namespace headrace
