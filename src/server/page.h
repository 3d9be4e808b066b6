// The page at "/", answered from page_files(). A browser needs no key for it: it holds nothing of anyone's.
//
// Always true: every reply carries a content security policy that allows the page's own script, style and requests and
// nothing else, so that no text that a model writes can run or load anything.
// Pure; anyone may call, from any thread.
#pragma once

#include <string_view>

#include "server/http/message.h"

namespace cairn {

// Whether page_reply() has something at this path.
[[nodiscard]] bool is_page_path(std::string_view path);

// The file at head.path, packed for a client that takes gzip, plain for others: 304 where the client has it already, 404 where
// there is none, 405 for a method that does not read.
[[nodiscard]] HttpReply page_reply(const HttpHead& head);

}  // namespace cairn
