#include "cli/graphviz.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>

#include "cli/report_drawing.h"
#include "graph/error.h"
#include "graph/parse_number.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX has it in no header

namespace headrace {
namespace {

std::string on_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    const auto file = std::filesystem::path(rest.substr(0, end)) / name;
    std::error_code ignored;
    if (end > 0 && std::filesystem::is_regular_file(file, ignored) &&
        ::access(file.c_str(), X_OK) == 0)
      return file;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

// A file without a name that goes when it is closed.
class NamelessFile {
 public:
  NamelessFile() : file_(std::tmpfile(), &std::fclose) {
    if (!file_) throw RunError("a temporary file: {}", std::strerror(errno));
  }

  int descriptor() const { return ::fileno(file_.get()); }

  void fill(const std::string& text) const {
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() ||
        std::fflush(file_.get()) != 0)
      throw RunError("a temporary file: {}", std::strerror(errno));
    to_begin();
  }

  std::string read() const {
    to_begin();
    std::string text;
    std::array<char, 65536> block;
    for (size_t n = 0; (n = std::fread(block.data(), 1, block.size(), file_.get())) > 0;)
      text.append(block.data(), n);
    return text;
  }

 private:
  void to_begin() const {
    if (std::fseek(file_.get(), 0, SEEK_SET) != 0)
      throw RunError("a temporary file: {}", std::strerror(errno));
  }

  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

// Length of the UTF-8 sequence that begins at `at`; 0 where there is none.
size_t sequence_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const size_t length = byte(0) < 0x80             ? 1
                        : byte(0) >> 5 == 0b110    ? 2
                        : byte(0) >> 4 == 0b1110   ? 3
                        : byte(0) >> 3 == 0b11110u ? 4
                                                   : 0;
  if (length == 0 || at + length > text.size()) return 0;
  uint32_t point = length == 1 ? byte(0) : byte(0) & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 0b10) return 0;
    point = point << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xd800 && point < 0xe000;
  return point < kLeast[length] || point > 0x10ffff || surrogate ? 0 : length;
}

// The value of an attribute of a tag, as it stands there.
std::string attribute(std::string_view tag, std::string_view name) {
  const std::string key = fmt::format(" {}=\"", name);
  const size_t start = tag.find(key);
  if (start == std::string_view::npos) return {};
  const size_t begin = start + key.size();
  return std::string(tag.substr(begin, tag.find('"', begin) - begin));
}

}  // namespace

Graphviz::Graphviz() : program_(on_path("dot")) {
  if (program_.empty())
    throw Error(
        "--report: the graph is drawn by graphviz, whose program 'dot' is not on the PATH; install "
        "it (apt-get install graphviz)");
}

std::string Graphviz::draw(const std::string& graph) const {
  const NamelessFile in, out, err;
  in.fill(graph);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.descriptor(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.descriptor(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.descriptor(), STDERR_FILENO);
  std::string name = "dot", format = "-Tsvg";
  const std::array<char*, 3> arguments = {name.data(), format.data(), nullptr};
  pid_t child = 0;
  const int failed =
      posix_spawn(&child, program_.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw RunError("{}: {}", program_, std::strerror(failed));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw RunError("{}: {}", program_, std::strerror(errno));
  std::string svg = out.read();
  if (status != 0 || svg.find("<svg") == std::string::npos) {
    const std::string said = err.read();
    throw RunError("{} did not draw the graph: {}", program_,
                   said.empty() ? "it says nothing" : said.substr(0, said.find('\n')));
  }
  return svg;
}

std::string escape_dot(const std::string& text) {
  std::string escaped;
  for (size_t at = 0; at < text.size();) {
    const size_t length = sequence_length(text, at);
    const char c = text[at];
    if (length == 0)
      escaped += "\xef\xbf\xbd";  // U+FFFD
    else if (length > 1)
      escaped += text.substr(at, length);
    else if (c == '"' || c == '\\')
      escaped += {'\\', c};
    else if (c == '&')
      escaped += "&amp;";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      escaped += ' ';
    else
      escaped += c;
    at += std::max<size_t>(length, 1);
  }
  return escaped;
}

DotDrawing::DotDrawing(const std::string& svg) {
  for (size_t at = svg.find("<svg"); at < svg.size();) {
    const auto past = [&](const char* end) {
      const size_t found = svg.find(end, at);
      return found == std::string::npos ? svg.size() : found + std::strlen(end);
    };
    const std::string_view rest = std::string_view(svg).substr(at);
    size_t next = past(">");
    if (rest.starts_with("<!--")) {
      next = past("-->");
    } else if (rest.starts_with("<title>")) {
      next = past("</title>");
    } else if (rest.starts_with("<svg")) {
      constexpr double kPixelsPerPoint = 4.0 / 3;
      const std::string tag = svg.substr(at, next - at), points = attribute(tag, "width");
      width_ =
          kPixelsPerPoint * parse_number<double>(points.substr(0, points.find("pt"))).value_or(0);
      append(fmt::format("<svg viewBox=\"{}\" role=\"img\">", attribute(tag, "viewBox")));
    } else if (rest.starts_with("<g ")) {
      read_group(svg.substr(at, next - at));
    } else if (rest.starts_with('<')) {
      append(svg.substr(at, next - at));
    } else {
      next = std::min(svg.find('<', at), svg.size());
      append(svg.substr(at, next - at));
    }
    at = next;
  }
}

void DotDrawing::read_group(const std::string& tag) {
  const std::string classes = attribute(tag, "class");
  for (const auto& [kind, prefix] :
       {std::pair(Kind::node, std::string("node n")), std::pair(Kind::edge, std::string("edge e"))})
    if (classes.starts_with(prefix))
      if (const auto number = parse_number<size_t>(classes.substr(prefix.size()))) {
        pieces_.push_back({.kind = kind, .number = *number});
        return;
      }
  append(fmt::format("<g class=\"drawing\" transform=\"{}\">", attribute(tag, "transform")));
}

void DotDrawing::append(const std::string& text) {
  if (pieces_.empty() || pieces_.back().kind != Kind::text) pieces_.emplace_back();
  pieces_.back().text += text;
}

std::string DotDrawing::html(const std::function<Look(size_t)>& node,
                             const std::function<Look(size_t)>& edge) const {
  std::string html;
  for (const Piece& piece : pieces_) {
    if (piece.kind == Kind::text) {
      html += piece.text;
      continue;
    }
    const bool is_node = piece.kind == Kind::node;
    const Look look = is_node ? node(piece.number) : edge(piece.number);
    html += fmt::format("<g class=\"{} {}\"><title>{}</title>", is_node ? "node" : "edge",
                        look.classes, escape_html(look.text));
  }
  return html;
}

}  // namespace headrace
