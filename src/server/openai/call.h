// TextCall: what a client asks for, whichever interface it came by: /v1/chat/completions, /v1/completions,
// /v1/responses, and Ollama's /api/chat and /api/generate. Plain data, made by server/openai/parse.h and
// server/ollama/parse.h, which promise: all numbers are within the bounds of server/openai/call_limits.h, all text is
// valid UTF-8, stop strings are not empty, and a named tool is one of `tools`. What depends on the model (its name,
// token ids, lengths in tokens) is not checked yet.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cairn/chat_message.h"
#include "cairn/ids.h"
#include "cairn/sampling.h"
#include "text/reply/chat_turn.h"

namespace cairn {

enum class ApiFace : uint8_t {
  kChat,            // POST /v1/chat/completions
  kCompletions,     // POST /v1/completions
  kResponses,       // POST /v1/responses
  kOllamaChat,      // POST /api/chat
  kOllamaGenerate,  // POST /api/generate
};

// A text, which gets the tokens that the model wants at the start of one (BOS), or tokens as they are.
using CallPrompt = std::variant<std::string, std::vector<TokenId>>;

struct CallTool {
  ToolSpec spec;
  bool strict =
      false;  // the arguments must match the schema; where tools are constrained at all, they always do
};

enum class ToolUse : uint8_t {
  kNone,      // the model may call none
  kAuto,      // it may
  kRequired,  // it must call at least one
  kNamed,     // it must call ToolChoice::name
};
struct ToolChoice {
  ToolUse use = ToolUse::kAuto;
  std::string name = {};  // where use is kNamed
};

enum class ResponseKind : uint8_t { kText, kJsonObject, kJsonSchema };
struct ResponseFormat {
  ResponseKind kind = ResponseKind::kText;
  // Where kind is kJsonSchema:
  std::string name = {};
  std::string description = {};
  boost::json::value schema = {};  // an object or a bool, as JSON Schema has it
  bool strict = false;
};

// What to do with a reply's pieces.
enum class ReplyDelivery : uint8_t {
  kWhole,     // one JSON document at the end
  kStreamed,  // events (SSE; Ollama: lines of JSON) as they come
};

struct TextCall {
  ApiFace face = ApiFace::kChat;
  std::string model = {};  // as the client wrote it; empty: it named none
  ReplyDelivery delivery = ReplyDelivery::kWhole;

  // What to continue. Chat faces (kChat, kResponses, kOllamaChat, and kOllamaGenerate unless `raw`): messages, where
  // Responses' instructions and Ollama's system prompt are a first one. Others: prompts, at least one.
  // Both are empty where an Ollama client only wants the model to be loaded (is_load_only).
  std::vector<ChatTurn> messages = {};
  std::vector<CallPrompt> prompts = {};
  // For the chat template: chat_template_kwargs, reasoning_effort, Ollama's think as "enable_thinking".
  std::vector<std::pair<std::string, TemplateVariable>> template_variables = {};
  bool raw = false;   // Ollama: the prompt goes to the model without a template
  bool echo = false;  // completions: the reply's text begins with the prompt

  std::vector<CallTool> tools = {};
  ToolChoice tool_choice = {};  // kNone where there are no tools
  bool parallel_tool_calls = true;
  int64_t tool_calls_max = 16;  // in one reply; at least 1: without calls the choice is kNone
  ResponseFormat format = {};

  SamplingParams sampling = {};            // sample_index is the engine's
  std::optional<int64_t> max_tokens = {};  // absent: until the context is full. 0: the prompt is only run
  std::vector<std::string> stops = {};
  int64_t n = 1;  // choices for each prompt: choice p * n + s is sample s of prompt p
  // How many of the likeliest tokens to report beside each token; 0: only the token's own. Absent: no logprobs.
  std::optional<int64_t> logprobs = {};

  bool include_usage = false;               // streams: a last chunk with the usage
  std::string cache_salt = {};              // joins the tenant's own salt
  int32_t priority = 0;                     // larger ones first, within a tenant
  std::optional<int64_t> deadline_ms = {};  // from the request's arrival
  bool explain_cache =
      false;  // "cairn": {"explain_cache": true}: say in the reply what was reused, and why no more

  // kResponses only: what the reply repeats.
  std::optional<std::string> instructions = {};
  boost::json::object metadata = {};
  std::optional<std::string> reasoning_effort = {};

  // Ollama only: nothing to generate; the client wants the model in memory.
  [[nodiscard]] bool is_load_only() const { return messages.empty() && prompts.empty(); }
  [[nodiscard]] bool is_streamed() const { return delivery == ReplyDelivery::kStreamed; }
  [[nodiscard]] int64_t choice_count() const {
    return n * (prompts.empty() ? 1 : static_cast<int64_t>(prompts.size()));
  }
};

}  // namespace cairn
