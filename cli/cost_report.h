#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "executor/session.h"

namespace headrace {

// Measured costs beside analytic ones, a row per operator; of costs that were measured only.
std::string cost_comparison_text(const PreparedModel& model, const PlanCosts& costs);
nlohmann::ordered_json cost_comparison_json(const PreparedModel& model, const PlanCosts& costs);

// Seconds and bytes of a stage, or of a node as a stage by itself.
nlohmann::ordered_json cost_json(const StageCost& cost);

// What every forward node takes and holds, with its gradients.
std::string node_costs_text(const PreparedModel& model, const PreparedPlan& plan,
                            const PlanCosts& costs, const RunConfig& run);
nlohmann::ordered_json node_costs_json(const PreparedModel& model, const PreparedPlan& plan,
                                       const PlanCosts& costs, const RunConfig& run);

}  // namespace headrace
