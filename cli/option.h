#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/settings.h"

namespace headrace {

// Commands as bits, so that an option can belong to several.
enum CommandBit : unsigned {
  kTrain = 1,
  kPlan = 2,
  kRun = 4,
  kGrad = 8,
  kInspect = 16,
  kPlugins = 32,
  kSchedule = 64,
  kBench = 128,
  kPartition = 256,
  kTune = 512,
  kAllCommands = 1023,
  kClusterFile = 1024,  // no command: a key of the file that --cluster names
};

// A flag whose presence clears a setting: --no-shuffle.
struct Cleared {
  bool* setting;
};

// The setting that an option fills in; its type says how the text is read.
using Target =
    std::variant<bool*, Cleared, int*, int64_t*, uint64_t*, double*, std::string*,
                 std::optional<int64_t>*, std::optional<double>*, std::vector<std::string>*,
                 std::map<std::string, int64_t>*, OptionValues*, Decay*>;

// What a text stands for. Paths in a RUN.toml are relative to the file's folder, and so are names
// with a slash where a name or a file can stand; the folder of a file to be written must exist.
enum class Meaning { text, path, written_file, name_or_path };

// An option, known under the same name on the command line (--name), in a RUN.toml (name = ...) and
// behind -o (name=...).
struct Option {
  std::string name = {};
  std::string value = {};  // what help calls the value; empty: a flag
  std::string help = {};
  unsigned commands = 0;
  Target (*target)(Settings&) = nullptr;
  double least = std::numeric_limits<double>::lowest(), most = std::numeric_limits<double>::max();
  Meaning meaning = Meaning::text;
};

struct OptionGroup {
  std::string title;
  std::vector<Option> options;
};

// All options of all commands. The option "model" is the commands' argument.
const std::vector<OptionGroup>& option_groups();

// The option of that name among those of `commands` (bits). Throws Error that names the nearest;
// `label` tells where and how the name was given: "--lrr", "run.toml:3: key 'lrr'".
const Option& find_option(const std::string& name, unsigned commands, const std::string& label);

// An option as it was given, with where it was: the label begins messages.
struct GivenOption {
  const Option* option = nullptr;
  std::string label;
  std::vector<std::string> values;
};

// Puts the values of one source (a file, the command line) into the settings. Lists replace what an
// earlier source gave; maps add to it, except that another scheduler or partitioner drops the
// options of the earlier one; epochs and steps take each other's place. Throws Error for values
// that are not of the option's type or range.
void apply_options(const std::vector<GivenOption>& given, Settings& settings);

// The value that holds when the option is not given, as help shows it; empty: none.
std::string default_text(const Option& option);

bool is_flag(const Option& option);

}  // namespace headrace
