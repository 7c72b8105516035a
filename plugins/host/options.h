#pragma once

#include <string>

#include "plugins/host/plugin_info.h"

namespace headrace {

// What the option takes, to read behind "takes": "an integer from 1 to 64", "true or false".
std::string expected_value(const PluginOption& option);

// Whether `text` is a value that the option takes.
bool is_value_of(const PluginOption& option, const std::string& text);

// The value of every option of the plugin: the given one or the default. Throws Error for a name
// that the plugin does not know (names the nearest) and a value that it does not take (shows the
// range).
OptionValues settle_options(const PluginInfo& plugin, const OptionValues& given);

}  // namespace headrace
