#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "executor/process_group.h"

namespace headrace {

// Keeps the processes of a run together: each tells rank 0 over a socket of its own several times a
// second what it is doing, and whoever dies, hangs (says nothing for the time-out) or gives up ends
// them all. Rank 0 then prints one line on stderr that names the rank, its devices and what it was
// doing; without rank 0 the next rank does. All processes leave by _exit, with status 1, or that of
// the one that gave up; what is written under temporary names stays there.
class Watch {
 public:
  // Together. `doing` may be called at any time from another thread; it tells where this process
  // is, as "in 2F0 of step 12". A group of one is not watched.
  Watch(ProcessGroup& group, std::chrono::seconds timeout, std::function<std::string()> doing);
  // Together: the run is over, nobody is missed any more.
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // This process gives up: every process ends, with this status and one line that says why.
  [[noreturn]] void give_up(int status, const std::string& why);

 private:
  class Member;
  std::unique_ptr<Member> member_;
};

}  // namespace headrace
