#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <unistd.h>

#include "plugins/transports/socket_group.h"

namespace headrace {

// Processes that are threads and meet by TCP on this machine. Runs work(group of that rank) on a
// thread per rank and waits for all; rethrows the first error.
inline void meet(int size, const std::function<void(std::unique_ptr<ProcessGroup>)>& work) {
  // Ports of runs side by side differ.
  static std::atomic<int> next = 30000 + getpid() % 2000 * 10;
  const int port = next++;
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors(static_cast<size_t>(size));
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      try {
        work(make_socket_group(
            {.launcher = "test", .rank = rank, .size = size, .host = "127.0.0.1", .port = port},
            std::chrono::seconds(20)));
      } catch (...) {
        errors[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace headrace
