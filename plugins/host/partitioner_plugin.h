#pragma once

#include <memory>

#include "partitioner/strategy.h"
#include "plugins/host/loaded_plugin.h"

namespace headrace {

// A PartitionStrategy whose answers come from the plugin and have passed `check_partition`.
std::unique_ptr<PartitionStrategy> make_partitioner(std::shared_ptr<const LoadedPlugin> plugin,
                                                    OptionValues options);

}  // namespace headrace
