#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace headrace {

// Writes the page around a report's content: it is there whole or not at all. `body` is HTML;
// `runs` is what the script tells about what the mouse points at: [{"devices": [[[text, start_s,
// end_s], ...], ...], "memory": [[[time_s, activations, weight stash, parameters, gradients,
// optimizer], ...], ...]}, ...], with memory in bytes, an entry for each <section> of the body, {}
// for one without a timeline. `title` is plain text. Throws Error or RunError when it cannot be
// written.
void write_page(const std::string& path, const std::string& title, const std::string& body,
                const nlohmann::json& runs);

}  // namespace headrace
