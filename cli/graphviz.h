#pragma once

#include <functional>
#include <string>
#include <vector>

namespace headrace {

// Graphviz's layout program, which runs beside this one.
class Graphviz {
 public:
  // Throws Error, one line that says what to install, when `dot` is not on the PATH.
  Graphviz();

  // The SVG that dot draws of a graph in its language. Throws RunError with dot's first words when
  // it fails.
  std::string draw(const std::string& graph) const;

 private:
  std::string program_;
};

// Text between quotes in dot's language that is drawn as it is: quotes, backslashes, entities and
// control characters in it have no meaning. What is not UTF-8 is replaced.
std::string escape_dot(const std::string& text);

// A drawing by dot whose nodes are named n0, n1, ... and whose edges, in the order in which they
// are given below, join two of them.
class DotDrawing {
 public:
  // What a node or an edge looks like: CSS classes, and the text that it shows to the mouse.
  struct Look {
    std::string classes, text;
  };

  // `svg` is what Graphviz::draw made of a graph whose nodes have class="n<number>" and whose edges
  // have class="e<number>".
  explicit DotDrawing(const std::string& svg);

  double width() const { return width_; }  // in CSS pixels, as dot would show it

  // An element to stand in HTML, without ids, links or scripts. The classes of nodes and edges are
  // "node" and "edge" and those of their look.
  std::string html(const std::function<Look(size_t)>& node,
                   const std::function<Look(size_t)>& edge) const;

 private:
  enum class Kind { text, node, edge };
  struct Piece {
    Kind kind = Kind::text;
    size_t number = 0;
    std::string text = {};
  };

  void read_group(const std::string& tag);
  void append(const std::string& text);

  double width_ = 0;
  std::vector<Piece> pieces_;
};

}  // namespace headrace
