#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "cli/command.h"
#include "cli/plugin_choice.h"
#include "cli/run_file.h"
#include "graph/error.h"
#include "graph/nearest.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(40); }
  std::string make_usage(const CLI::App* app, std::string) const override {
    if (app->get_parent() == nullptr) return "\nusage: headrace COMMAND [options]\n\n";
    std::string argument;
    for (const auto* option : app->get_options([](const auto* o) { return o->get_positional(); }))
      argument = " " + option->get_name(true, false);
    return fmt::format("\nusage: headrace {}{} [options]\n\n", app->get_name(), argument);
  }
  // CLI11 puts a blank line before and after each group.
  std::string make_group(std::string group, bool positional,
                         std::vector<const CLI::Option*> options) const override {
    return CLI::Formatter::make_group(group, positional, options).substr(1);
  }
  std::string make_positionals(const CLI::App*) const override { return {}; }
};

// A command as CLI11 parses it: every value stays text until `apply_options` reads it.
struct ParsedCommand {
  const Command* command = nullptr;
  CLI::App* app = nullptr;
  std::vector<std::pair<const Option*, CLI::Option*>> options = {};
  CLI::Option* overrides = nullptr;
};

std::string describe(const Option& option) {
  const std::string value = is_flag(option) ? "" : default_text(option);
  return value.empty() ? option.help : fmt::format("{} [{}]", option.help, value);
}

CLI::Option* add_text(CLI::App& app, const std::string& name, const std::string& value,
                      const std::string& help) {
  return app
      .add_option(
          name, [](const CLI::results_t&) { return true; }, help)
      ->type_name(value)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

ParsedCommand add_command(CLI::App& program, const Command& command) {
  ParsedCommand parsed{.command = &command};
  parsed.app = program.add_subcommand(command.name, command.summary);
  parsed.app->group("Commands");
  parsed.app->allow_extras();
  parsed.app->footer("Examples:\n" + command.examples);
  parsed.app->get_help_ptr()->description("This page");
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      if ((option.commands & command.bit) == 0) continue;
      CLI::Option* added = nullptr;
      const std::string help = describe(option);
      if (option.name == "model")
        added = add_text(*parsed.app, command.argument, "", option.help);
      else if (is_flag(option))
        added = parsed.app->add_flag("--" + option.name, help);
      else
        added = add_text(*parsed.app, "--" + option.name, option.value, help);
      added->group(group.title);
      parsed.options.emplace_back(&option, added);
    }
  }
  if (command.takes_run_file) {
    parsed.overrides = add_text(*parsed.app, "-o", "NAME=VALUE",
                                "Any option, by its name in RUN.toml (repeatable)");
    parsed.overrides->group("Input and output");
  }
  return parsed;
}

[[noreturn]] void refuse_extra(const ParsedCommand& parsed, const std::vector<std::string>& extra) {
  for (const auto& text : extra) {
    if (!text.starts_with('-')) continue;
    const std::string name = text.substr(0, text.find('='));
    std::vector<std::string> known;
    for (const auto& [option, added] : parsed.options)
      if (option->name != "model") known.push_back("--" + option->name);
    if (parsed.overrides != nullptr) known.emplace_back("-o");
    throw Error("{}: unknown option '{}'; did you mean '{}'?", parsed.command->name, name,
                nearest(name, known));
  }
  throw Error("{}: unexpected argument '{}' ('headrace {} --help' shows the usage)",
              parsed.command->name, extra.front(), parsed.command->name);
}

std::vector<GivenOption> given_options(const ParsedCommand& parsed) {
  std::vector<GivenOption> given;
  for (const auto& [option, added] : parsed.options)
    if (option->name != "model" && added->count() > 0)
      given.push_back({option, "--" + option->name, added->results()});
  return given;
}

// -o name=value, values of the same name together.
std::vector<GivenOption> given_overrides(const std::vector<std::string>& texts, unsigned commands) {
  std::vector<GivenOption> given;
  for (const auto& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error("-o {}: is not of the form name=value", text);
    const std::string name = text.substr(0, equals);
    const std::string label = fmt::format("-o {}", name);
    const Option& option = find_option(name, commands, label);
    const auto same = std::find_if(given.begin(), given.end(),
                                   [&](const GivenOption& each) { return each.option == &option; });
    if (same != given.end())
      same->values.push_back(text.substr(equals + 1));
    else
      given.push_back({&option, label, {text.substr(equals + 1)}});
  }
  return given;
}

// A file to be written at the end of a long run must have a folder from the start.
void check_written_paths(Settings& settings, unsigned commands) {
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      if (option.meaning != Meaning::written_file || (option.commands & commands) == 0) continue;
      const fs::path path = *std::get<std::string*>(option.target(settings));
      if (path.empty() || path.parent_path().empty()) continue;
      if (!fs::is_directory(path.parent_path()))
        throw Error("--{} {}: there is no folder '{}'", option.name, path.string(),
                    path.parent_path().string());
    }
  }
}

// The file that --cluster names comes before the other options of its source.
void apply_all(const std::vector<GivenOption>& given, Settings& settings) {
  for (const GivenOption& each : given)
    if (each.option->name == "cluster" && !each.values.empty())
      apply_options(read_run_file(each.values.back(), kClusterFile), settings);
  apply_options(given, settings);
}

Settings settle(const ParsedCommand& parsed) {
  const Command& command = *parsed.command;
  Settings settings;
  if (!command.argument.empty()) {
    for (const auto& [option, added] : parsed.options)
      if (option->name == "model" && added->count() > 0) settings.run.model = added->results()[0];
    const std::string file = settings.run.model;
    // A run file describes a training; the commands that take one leave out what they don't need.
    if (command.takes_run_file && file.ends_with(".toml")) {
      settings.run.model.clear();
      apply_all(read_run_file(file, command.bit | kTrain), settings);
      if (settings.run.model.empty()) throw Error("{}: the key 'model' is missing", file);
    }
  }
  if (parsed.overrides != nullptr)
    apply_all(given_overrides(parsed.overrides->results(), command.bit | kTrain), settings);
  apply_all(given_options(parsed), settings);
  // Of a graph of costs "4" will do, so partition has its own option.
  if (settings.partition.costs.empty() && !settings.partition.devices.empty())
    settings.run.devices = settings.partition.devices;
  if (!command.argument.empty() && settings.run.model.empty() && settings.partition.costs.empty())
    throw Error("{}: no model is given: headrace {} {} [options]", command.name, command.name,
                command.argument);
  check_written_paths(settings, command.bit);
  settings.run.backend = choose_backend(settings);
  return settings;
}

[[noreturn]] void refuse_command(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& command : all_commands()) known.push_back(command.name);
  if (name.starts_with('-'))
    throw Error("unknown option '{}'; did you mean '{}'?", name,
                nearest(name, std::vector<std::string>{"--help", "--version"}));
  throw Error("unknown command '{}'; did you mean '{}'?", name, nearest(name, known));
}

// CLI11's text names the option first: "--lr: 1 required X missing".
[[noreturn]] void refuse(const CLI::ParseError& error) {
  std::string text = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr)
    throw Error("{} needs a value", text.substr(0, text.find(':')));
  throw Error("{}", text.substr(0, text.find('\n')));
}

}  // namespace

int run_command_line(int count, char** arguments) {
  CLI::App program(
      "Headrace trains an exported ONNX model through a pipeline: it differentiates the model, "
      "cuts "
      "it\ninto stages and runs them over several devices on a schedule that a plugin chose.\n");
  program.formatter(std::make_shared<HelpFormatter>());
  program.allow_extras();
  program.set_version_flag("--version", "headrace " HEADRACE_VERSION, "The version");
  program.get_help_ptr()->description("This page");
  program.footer("'headrace COMMAND --help' shows the options of a command.\n");
  std::vector<ParsedCommand> commands;
  for (const Command& command : all_commands()) commands.push_back(add_command(program, command));
  try {
    program.parse(count, arguments);
  } catch (const CLI::Success& asked) {  // --help, --version
    return program.exit(asked);
  } catch (const CLI::ParseError& error) {
    refuse(error);
  }
  for (const ParsedCommand& parsed : commands) {
    if (!parsed.app->parsed()) continue;
    if (const auto extra = parsed.app->remaining(); !extra.empty()) refuse_extra(parsed, extra);
    parsed.command->run(settle(parsed));
    return 0;
  }
  if (const auto extra = program.remaining(); !extra.empty()) refuse_command(extra.front());
  std::cerr << program.help();
  return 2;
}

}  // namespace headrace
