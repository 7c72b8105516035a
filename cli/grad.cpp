#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/plugin_choice.h"
#include "executor/forward.h"
#include "graph/error.h"
#include "loader/npz.h"

namespace headrace {

void grad_command(const Settings& settings) {
  if (settings.inputs.empty()) throw Error("grad: no batch: give --inputs F.npz");
  if (settings.outputs.empty())
    throw Error("grad: no place for the gradients: give --outputs F.npz");
  const ChosenPlugins plugins = choose_plugins(settings);
  const auto gradients = batch_gradients(settings.run, read_npz(settings.inputs),
                                         *plugins.scheduler, *plugins.partitioner);
  write_npz(settings.outputs, gradients);
  const double loss = to_doubles(gradients.at("loss")).at(0);
  const size_t parameters = gradients.size() - 1;
  if (settings.json) {
    const nlohmann::ordered_json json = {
        {"loss", loss}, {"parameters", parameters}, {"file", settings.outputs}};
    print_json(json);
    return;
  }
  fmt::print("loss {:.6g}\n", loss);
  fmt::print("gradients of {} parameters: {}\n", parameters, settings.outputs);
}

}  // namespace headrace
