#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "partitioner/cost_model.h"

namespace headrace {

// Rates as files keep them, without the machine.
nlohmann::json to_json(const DeviceRates& rates);

// Nothing where one is missing, is no number, or is none that a device can have.
std::optional<DeviceRates> rates_from_json(const nlohmann::json& json);

}  // namespace headrace
