// Fields that several interfaces have, read into the parts of a TextCall. Each function reads what is there and leaves
// the rest as it is; what is wrong is in the reader's error. For the parsers of server/openai/ and server/ollama/.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/openai/call.h"
#include "server/openai/field_reader.h"

namespace cairn {

// temperature, top_p, penalties, logit_bias, seed; and the extensions top_k, min_p, repeat_penalty or
// repetition_penalty, repeat_last_n.
void read_sampling(const FieldReader& fields, SamplingParams& sampling);

// model, stream, user; the extensions cache_salt, priority, deadline_ms, chat_template_kwargs, cairn.
void read_common(const FieldReader& fields, TextCall& call);

// A string, or a list of them.
[[nodiscard]] std::vector<std::string> read_stops(const FieldReader& fields, std::string_view name);

// OpenAI's `reasoning_effort`, as a variable of the template; "none" and "minimal" also set enable_thinking to false,
// unless the client set it.
void read_reasoning_effort(const FieldReader& fields, std::string_view name, TextCall& call);

// An object of bools, integers and strings.
void read_template_variables(const FieldReader& fields,
                             std::vector<std::pair<std::string, TemplateVariable>>& variables);

// How an interface writes a tool, and the choice of one.
enum class ToolFields : uint8_t {
  kNested,  // {"type":"function","function":{"name":...}}
  kFlat,    // {"type":"function","name":...}: /v1/responses
};
[[nodiscard]] std::vector<CallTool> read_tools(const FieldReader& fields, ToolFields form);
// tool_choice and parallel_tool_calls; after the call's tools.
void read_tool_choice(const FieldReader& fields, ToolFields form, TextCall& call);

// Where an interface has the schema of a format: chat in "json_schema", responses beside "type".
enum class FormatForm : uint8_t { kNested, kFlat };
[[nodiscard]] ResponseFormat read_format(const FieldReader& fields, std::string_view name, FormatForm form);

}  // namespace cairn
