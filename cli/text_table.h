#pragma once

#include <string>
#include <vector>

namespace headrace {

enum class Align { left, right };

// Columns of text, each as wide as its widest cell, two blanks apart.
class TextTable {
 public:
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> cells);  // one per column
  std::string text() const;                  // a line of titles, then a line per row

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace headrace
