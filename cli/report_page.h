#pragma once

#include <string>

namespace headrace {

// The page around a report's content. `body` is HTML; `runs_json` is what the script tells about
// what the mouse points at: [{"devices": [[[text, start_s, end_s], ...], ...], "memory": [[[time_s,
// activations, weight stash, parameters, gradients, optimizer], ...], ...]}, ...], with memory in
// bytes. `title` is plain text.
std::string report_page(const std::string& title, const std::string& body,
                        const std::string& runs_json);

}  // namespace headrace
