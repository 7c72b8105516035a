#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "executor/asio.h"
#include "plugins/transports/socket_group.h"

namespace headrace {

// A port of this machine that nobody uses now.
inline int free_port() {
  boost::asio::io_context context;
  return boost::asio::ip::tcp::acceptor(context, {boost::asio::ip::tcp::v4(), 0})
      .local_endpoint()
      .port();
}

inline Launched place(int rank, int size, int port) {
  return {.launcher = "test", .rank = rank, .size = size, .host = "127.0.0.1", .port = port};
}

// Processes that are threads and meet by TCP on this machine. Runs work(group of that rank) on a
// thread per rank and waits for all; rethrows the first error.
inline void meet(int size, const std::function<void(std::unique_ptr<ProcessGroup>)>& work) {
  const int port = free_port();
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors(static_cast<size_t>(size));
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      try {
        work(make_socket_group(place(rank, size, port), std::chrono::seconds(20)));
      } catch (...) {
        errors[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace headrace
