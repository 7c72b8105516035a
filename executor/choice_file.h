#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "kernels/choices.h"

namespace headrace {

// Choices in a file that processes share: a key, a tab and a choice in each line. The first who
// settles a key is who chose: the file is read again and replaced under a lock, `PATH.lock`, and
// what an object has answered once it answers to its end. This holds among processes that see the
// same file and whose file system locks it; who deletes the file lets others choose anew.
class ChoiceFile : public Choices {
 public:
  // The file and its folder need not exist. `note` is told, once each, that the file is none of
  // this kind, which is then as good as none, and that it cannot be written.
  ChoiceFile(std::filesystem::path path, std::function<void(const std::string&)> note);

  std::string find(const std::string& key) override;
  bool keeps() const override;
  std::string settle(const std::string& key, const std::string& choice) override;

 private:
  using Lines = std::map<std::string, std::string>;

  Lines read();
  std::string known(const std::string& key) const;
  void stop_keeping(const std::string& why);

  const std::filesystem::path path_;
  const std::function<void(const std::string&)> note_;
  mutable std::mutex mutex_;
  Lines known_;
  bool keeps_ = true, was_broken_ = false;
};

}  // namespace headrace
