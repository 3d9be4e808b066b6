// What the options of cairn serve mean to the server's parts. Pure.
#pragma once

#include <chrono>
#include <string_view>

#include "cli/serve.h"
#include "server/server.h"

namespace cairn {

[[nodiscard]] std::chrono::milliseconds as_milliseconds(double seconds);

// Whether the server may be reached as it would be: by others only with keys, or where anybody may. kInvalidArgument.
Status check_reach(const ServeOptions& options);

[[nodiscard]] HttpServerOptions http_options(const ServeOptions& options);
// `facts`: of the model that is served; `isa`: the name of the instruction set that it runs on.
[[nodiscard]] ServerOptions server_options(const ServeOptions& options, const ServedFacts& facts,
                                           std::string_view isa);

}  // namespace cairn
