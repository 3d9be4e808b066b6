// The test vectors of testdata/, made by tools/reference/jinja_vectors.py with python3-jinja2.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "text/chat_template.h"

namespace cairn::jinja {

std::string read_testdata(const std::string& name);

struct SmallCase {
  std::string source;
  std::optional<std::string> expected;  // none: Jinja fails
};
std::vector<SmallCase> read_small_cases(const std::string& name);

// Renders with the variables that the small cases find.
Result<std::string> render_small(const std::string& source);

std::vector<ChatMessage> messages_of(const boost::json::value& conversation);

inline const CivilTime kTestNow{2025, 3, 7, 9, 5, 2};

}  // namespace cairn::jinja
