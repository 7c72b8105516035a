#include "plugins/host/loaded_plugin.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "graph/error.h"
#include "plugins/backends/backend.h"
#include "plugins/host/options.h"
#include "plugins/transports/transport.h"

namespace headrace {
namespace {

namespace dll = boost::dll;
namespace fs = std::filesystem;

std::string text(const char* c_string) { return c_string == nullptr ? "" : c_string; }

std::vector<std::string> split_choices(const std::string& choices) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= choices.size();) {
    const size_t end = std::min(choices.find('|', begin), choices.size());
    words.push_back(choices.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

PluginOption read_option(const headrace_option& raw) {
  PluginOption option{.name = text(raw.name),
                      .default_value = text(raw.default_value),
                      .minimum = text(raw.minimum),
                      .maximum = text(raw.maximum),
                      .help = text(raw.help)};
  switch (raw.type) {
    case HEADRACE_OPTION_INT:
      option.type = OptionType::integer;
      break;
    case HEADRACE_OPTION_FLOAT:
      option.type = OptionType::floating;
      break;
    case HEADRACE_OPTION_BOOL:
      option.type = OptionType::boolean;
      break;
    case HEADRACE_OPTION_STRING:
      option.type = OptionType::string;
      break;
    case HEADRACE_OPTION_CHOICE:
      option.type = OptionType::choice;
      option.choices = split_choices(text(raw.choices));
      break;
    default:
      throw Error("its option '{}' has the unknown type {}", option.name, raw.type);
  }
  if (option.name.empty()) throw Error("an option in its table has no name");
  if (!is_value_of(option, option.default_value))
    throw Error("its option '{}' has the default '{}', but takes {}", option.name,
                option.default_value, expected_value(option));
  return option;
}

// A newer minor may have longer rows.
std::vector<PluginOption> read_options(const headrace_plugin& raw) {
  if (raw.option_count > 0 && (raw.options == nullptr || raw.option_size < sizeof(headrace_option)))
    throw Error("its option table is not whole");
  std::vector<PluginOption> options;
  const auto* row = reinterpret_cast<const char*>(raw.options);
  for (uint32_t i = 0; i < raw.option_count; ++i, row += raw.option_size)
    options.push_back(read_option(*reinterpret_cast<const headrace_option*>(row)));
  return options;
}

const char* check_table(const headrace_plugin& raw) {
  constexpr const char* kNotWhole = "its table of functions is not whole";
  if (raw.kind == HEADRACE_KIND_SCHEDULER) {
    const auto* table = static_cast<const headrace_scheduler*>(raw.table);
    constexpr size_t kFirstMinor = offsetof(headrace_scheduler, placement);
    if (table == nullptr || table->struct_size < kFirstMinor || table->schedule == nullptr)
      throw Error("{}", kNotWhole);
    return "scheduler";
  }
  if (raw.kind == HEADRACE_KIND_PARTITIONER) {
    const auto* table = static_cast<const headrace_partitioner*>(raw.table);
    if (table == nullptr || table->struct_size < sizeof(*table) || table->partition == nullptr)
      throw Error("{}", kNotWhole);
    return "partitioner";
  }
  const auto require_tag = [&](const char* tag) {
    if (text(raw.build_tag) != tag)
      throw Error("it was built as '{}', this headrace as '{}'; build it again",
                  text(raw.build_tag), tag);
  };
  if (raw.kind == HEADRACE_KIND_BACKEND) {
    require_tag(kBackendTag);
    const auto* table = static_cast<const BackendTable*>(raw.table);
    if (table == nullptr || table->struct_size < sizeof(*table) || table->unusable == nullptr ||
        table->open == nullptr)
      throw Error("{}", kNotWhole);
    return "backend";
  }
  if (raw.kind == HEADRACE_KIND_TRANSPORT) {
    require_tag(kTransportTag);
    const auto* table = static_cast<const TransportTable*>(raw.table);
    if (table == nullptr || table->struct_size < sizeof(*table) || table->join == nullptr)
      throw Error("{}", kNotWhole);
    return "transport";
  }
  throw Error(
      "its kind {} is not known here (1: scheduler, 2: partitioner, 3: backend, 4: transport)",
      raw.kind);
}

// Where a scheduler says that it puts stages; older ones do not say.
std::string placement_of(const headrace_plugin& raw) {
  if (raw.kind != HEADRACE_KIND_SCHEDULER) return {};
  const auto* table = static_cast<const headrace_scheduler*>(raw.table);
  if (table->place == nullptr) return "looped";
  return table->struct_size < sizeof(*table) ? std::string() : text(table->placement);
}

// Fills `info` from the descriptor; throws Error with the reason of a refusal. Nothing behind
// struct_size is read before the magic number and the ABI have been found right.
void read_descriptor(const headrace_plugin* raw, PluginInfo& info) {
  if (raw == nullptr) throw Error("not a plugin: headrace_plugin_entry returned nothing");
  if (raw->magic != HEADRACE_PLUGIN_MAGIC)
    throw Error("not a plugin: wrong magic number {:#010x}, expected {:#010x}", raw->magic,
                HEADRACE_PLUGIN_MAGIC);
  info.abi = fmt::format("{}.{}", raw->abi_major, raw->abi_minor);
  if (raw->abi_major != HEADRACE_ABI_MAJOR)
    throw Error("it was built for plugin ABI {}, this headrace has {}.{}; build it again", info.abi,
                HEADRACE_ABI_MAJOR, HEADRACE_ABI_MINOR);
  if (raw->struct_size < sizeof(headrace_plugin))
    throw Error("its descriptor has {} bytes, {} are needed", raw->struct_size,
                sizeof(headrace_plugin));
  const std::string name = text(raw->name);
  if (name.empty()) throw Error("its descriptor has no name");
  const char* kind = check_table(*raw);
  info.options = read_options(*raw);
  info.name = name;
  info.kind = kind;
  info.version = text(raw->version);
  info.summary = text(raw->summary);
  info.build_tag = text(raw->build_tag);
  info.placement = placement_of(*raw);
}

std::shared_ptr<const LoadedPlugin> load(const fs::path& file, PluginInfo& info) {
  if (!fs::exists(file)) throw Error("no such file");
  if (fs::is_directory(file)) throw Error("not a plugin: it is a folder");
  dll::shared_library library;
  std::error_code error;
  library.load(file, dll::load_mode::rtld_now | dll::load_mode::rtld_local, error);
  if (error) {
    // Boost's code is "bad file descriptor" whatever happened; the loader's text is the reason.
    const char* reason = dlerror();
    throw Error("not a plugin: {}", reason == nullptr ? error.message() : reason);
  }
  if (!library.has("headrace_plugin_entry"))
    throw Error("not a plugin: it does not export headrace_plugin_entry");
  const auto& entry = library.get<const headrace_plugin*()>("headrace_plugin_entry");
  const headrace_plugin* descriptor = entry();
  read_descriptor(descriptor, info);
  return std::make_shared<LoadedPlugin>(std::move(library), *descriptor, info);
}

// Plugins that are in use, by canonical path. Never destroyed.
struct Loaded {
  std::mutex mutex;
  std::map<fs::path, std::shared_ptr<const LoadedPlugin>> plugins;
};
Loaded& loaded() {
  static Loaded* const instance = new Loaded;
  return *instance;
}

}  // namespace

LoadedPlugin::LoadedPlugin(boost::dll::shared_library library, const headrace_plugin& descriptor,
                           PluginInfo info)
    : library_(std::move(library)), descriptor_(&descriptor), info_(std::move(info)) {}

const headrace_scheduler& LoadedPlugin::scheduler() const {
  HEADRACE_CHECK(descriptor_->kind == HEADRACE_KIND_SCHEDULER);
  return *static_cast<const headrace_scheduler*>(descriptor_->table);
}

const headrace_partitioner& LoadedPlugin::partitioner() const {
  HEADRACE_CHECK(descriptor_->kind == HEADRACE_KIND_PARTITIONER);
  return *static_cast<const headrace_partitioner*>(descriptor_->table);
}

const BackendTable& LoadedPlugin::backend() const {
  HEADRACE_CHECK(descriptor_->kind == HEADRACE_KIND_BACKEND);
  return *static_cast<const BackendTable*>(descriptor_->table);
}

const TransportTable& LoadedPlugin::transport() const {
  HEADRACE_CHECK(descriptor_->kind == HEADRACE_KIND_TRANSPORT);
  return *static_cast<const TransportTable*>(descriptor_->table);
}

Examined examine_plugin(const fs::path& file) {
  const fs::path path = fs::weakly_canonical(file);
  Examined result{.info = {.file = path, .name = path.stem().string()}, .plugin = nullptr};
  const std::lock_guard lock(loaded().mutex);
  auto& plugins = loaded().plugins;
  if (const auto known = plugins.find(path); known != plugins.end()) {
    result.plugin = known->second;
    result.info = known->second->info();
    return result;
  }
  try {
    result.plugin = load(path, result.info);
    plugins.emplace(path, result.plugin);
  } catch (const Error& error) {
    result.info = {.file = path,
                   .name = path.stem().string(),
                   .abi = result.info.abi,
                   .refused = error.what()};
  }
  return result;
}

std::shared_ptr<const LoadedPlugin> open_plugin(const fs::path& file) {
  Examined examined = examine_plugin(file);
  if (examined.plugin == nullptr)
    throw Error("plugin '{}' is refused: {}", file.string(), examined.info.refused);
  return std::move(examined.plugin);
}

}  // namespace headrace
