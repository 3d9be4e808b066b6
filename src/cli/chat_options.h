// The options of cairn chat, added to a CLI11 parser. Used by parse.cc only.
#pragma once

#include "cli/commands.h"

namespace CLI {
class App;
}  // namespace CLI

namespace cairn {

// `options` must live until the parser is done: it is filled while arguments are read.
void add_chat_options(CLI::App& app, ChatOptions& options);

}  // namespace cairn
