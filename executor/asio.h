#pragma once

#include <utility>  // Boost 1.74 leaves it out

// g++'s thread sanitizer knows no fences; Asio's stand inside its own queues.
#if defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
#include <boost/asio.hpp>
