#pragma once

#include <string>

namespace headrace {

// Which of several ways to compute the same is taken, where that was found by measuring: each way
// has bits of its own, so what was chosen once is kept, and whoever shares it takes the same. Keys
// and choices are lines without tabs, not empty. Any thread.
class Choices {
 public:
  virtual ~Choices() = default;
  // What was chosen for a key; empty: nothing was.
  virtual std::string find(const std::string& key) = 0;
  // Whether new choices can be kept. Where not, what is not found is to be taken unmeasured.
  virtual bool keeps() const = 0;
  // Keeps a choice and returns the one that holds: another's where that came first. Empty where it
  // could not be kept.
  virtual std::string settle(const std::string& key, const std::string& choice) = 0;
};

}  // namespace headrace
