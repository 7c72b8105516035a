#include "executor/choice_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "executor/machine_cache.h"
#include "graph/error.h"

namespace headrace {
namespace {

constexpr std::string_view kHeader = "headrace choices 1\n";
constexpr std::uintmax_t kLargestFile = 16 << 20;

// A lock between processes, and between objects of one, until the end of the block.
class FileLock {
 public:
  explicit FileLock(const std::string& path)
      : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    int code = file_ < 0 ? -1 : ::flock(file_, LOCK_EX);
    while (code != 0 && file_ >= 0 && errno == EINTR) code = ::flock(file_, LOCK_EX);
    if (code != 0) failure_ = errno;
  }
  ~FileLock() {
    if (file_ >= 0) ::close(file_);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // Why there is no lock; empty where it is held.
  std::string failure() const { return failure_ == 0 ? "" : std::strerror(failure_); }

 private:
  int file_;
  int failure_ = 0;
};

// Nothing for a text that is no file of choices, or not a whole one.
std::optional<std::map<std::string, std::string>> parse(std::string_view text) {
  if (!text.starts_with(kHeader)) return std::nullopt;
  text.remove_prefix(kHeader.size());
  std::map<std::string, std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto tab = line.find('\t');
    if (tab == 0 || tab == std::string_view::npos || tab != line.rfind('\t') ||
        tab + 1 == line.size())
      return std::nullopt;
    if (!lines.emplace(line.substr(0, tab), line.substr(tab + 1)).second) return std::nullopt;
  }
  return lines;
}

std::string to_text(const std::map<std::string, std::string>& lines) {
  std::string text(kHeader);
  for (const auto& [key, choice] : lines) text += fmt::format("{}\t{}\n", key, choice);
  return text;
}

bool is_part_of_a_line(const std::string& text) {
  return !text.empty() && text.find_first_of("\t\n") == std::string::npos;
}

}  // namespace

ChoiceFile::ChoiceFile(std::filesystem::path path, std::function<void(const std::string&)> note)
    : path_(std::move(path)), note_(std::move(note)) {
  std::error_code ignored;
  std::filesystem::create_directories(path_.parent_path(), ignored);
  if (const std::string failure = FileLock(path_.string() + ".lock").failure(); !failure.empty())
    stop_keeping("its lock: " + failure);
  read();
}

std::string ChoiceFile::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  // Who keeps nothing hears of nothing new: what was not found must not be found later in a run.
  if (keeps_ && !known_.contains(key)) read();
  return known(key);
}

bool ChoiceFile::keeps() const {
  const std::lock_guard lock(mutex_);
  return keeps_;
}

std::string ChoiceFile::settle(const std::string& key, const std::string& choice) {
  HEADRACE_CHECK(is_part_of_a_line(key) && is_part_of_a_line(choice), "'{}', '{}'", key, choice);
  const std::lock_guard lock(mutex_);
  if (known_.contains(key)) return known(key);
  const FileLock file(path_.string() + ".lock");
  if (!file.failure().empty()) {
    stop_keeping("its lock: " + file.failure());
    return {};
  }
  Lines lines = read();
  if (known_.contains(key)) return known(key);
  // What was answered before goes back where somebody deleted the file.
  lines.insert(known_.begin(), known_.end());
  lines.emplace(key, choice);
  if (!replace_file(path_, to_text(lines))) {
    stop_keeping("no file can be put in its place");
    return {};
  }
  known_.emplace(key, choice);
  return choice;
}

// The file's lines; those of unknown keys become known.
ChoiceFile::Lines ChoiceFile::read() {
  std::error_code error;
  if (!std::filesystem::exists(path_, error)) return {};
  auto lines = parse(read_small_file(path_, kLargestFile));
  if (!lines) {
    if (!std::exchange(was_broken_, true))
      note_(fmt::format("{}: is no whole file of choices; it is left aside", path_.string()));
    return {};
  }
  known_.insert(lines->begin(), lines->end());
  return std::move(*lines);
}

std::string ChoiceFile::known(const std::string& key) const {
  const auto it = known_.find(key);
  return it == known_.end() ? std::string() : it->second;
}

void ChoiceFile::stop_keeping(const std::string& why) {
  if (std::exchange(keeps_, false))
    note_(fmt::format("{}: cannot be written ({}); nothing new is chosen by measuring",
                      path_.string(), why));
}

}  // namespace headrace
