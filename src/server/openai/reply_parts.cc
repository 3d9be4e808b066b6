#include "server/openai/reply_parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace cairn {
namespace {

// What OpenAI writes for a probability of zero.
constexpr double kLogprobMin = -9999;

double written(double logprob) { return std::max(logprob, kLogprobMin); }

// A token that is no whole characters, in OpenAI's words: text that stands for its bytes, so that two such differ.
std::string token_name(std::string_view bytes) {
  if (!find_invalid_utf8(bytes).has_value()) return std::string(bytes);
  std::string name = "bytes:";
  for (const char byte : bytes) {
    fmt::format_to(std::back_inserter(name), "\\x{:02x}", static_cast<unsigned char>(byte));
  }
  return name;
}

// Characters are counted by their first bytes, so that a character in two tokens counts once.
int64_t characters_begun(std::string_view bytes) {
  return std::ranges::count_if(bytes,
                               [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; });
}

}  // namespace

int64_t created_seconds(const AnswerHead& head) { return head.created_ns / 1'000'000'000; }

std::string_view finish_word(AnswerFinish finish, ToolCallsMade made) {
  switch (finish) {
    case AnswerFinish::kStop: return made == ToolCallsMade::kSome ? "tool_calls" : "stop";
    case AnswerFinish::kContentFilter: return "content_filter";
    case AnswerFinish::kLength:
    case AnswerFinish::kDeadline:
    case AnswerFinish::kCancelled: break;
  }
  return "length";
}

void put_usage(JsonWriter& json, const AnswerUsage& usage) {
  json.key("usage").open('{');
  json.integer("prompt_tokens", usage.prompt_tokens).integer("completion_tokens", usage.completion_tokens);
  json.integer("total_tokens", usage.prompt_tokens + usage.completion_tokens);
  json.key("prompt_tokens_details").open('{').integer("cached_tokens", usage.cached_tokens).close('}');
  json.key("completion_tokens_details").open('{');
  json.integer("reasoning_tokens", usage.reasoning_tokens).close('}').close('}');
}

void put_token_logprob(JsonWriter& json, const TokenLogprob& logprob) {
  json.open('{').text("token", logprob.bytes).key("logprob").number(written(logprob.logprob.value_or(0)));
  json.key("bytes").bytes(logprob.bytes).key("top_logprobs").open('[');
  for (const TopToken& top : logprob.top) {
    json.open('{').text("token", top.bytes).key("logprob").number(written(top.logprob));
    json.key("bytes").bytes(top.bytes).close('}');
  }
  json.close(']').close('}');
}

void put_token_logprobs(JsonWriter& json, std::span<const TokenLogprob> logprobs) {
  json.open('[');
  for (const TokenLogprob& logprob : logprobs) put_token_logprob(json, logprob);
  json.close(']');
}

void put_completion_logprobs(JsonWriter& json, std::span<const TokenLogprob> logprobs, int64_t& offset) {
  json.open('{').key("tokens").open('[');
  for (const TokenLogprob& logprob : logprobs) json.text(token_name(logprob.bytes));
  json.close(']').key("token_logprobs").open('[');
  for (const TokenLogprob& logprob : logprobs) {
    if (logprob.logprob.has_value()) {
      json.number(written(*logprob.logprob));
    } else {
      json.null();
    }
  }
  json.close(']').key("top_logprobs").open('[');
  for (const TokenLogprob& logprob : logprobs) {
    if (logprob.top.empty()) {
      json.null();
      continue;
    }
    json.open('{');
    for (const TopToken& top : logprob.top) json.key(token_name(top.bytes)).number(written(top.logprob));
    json.close('}');
  }
  json.close(']').key("text_offset").open('[');
  for (const TokenLogprob& logprob : logprobs) {
    json.integer(offset);
    offset += characters_begun(logprob.bytes);
  }
  json.close(']').close('}');
}

void put_fingerprint(JsonWriter& json, const AnswerHead& head) {
  if (!head.system_fingerprint.empty()) json.text("system_fingerprint", head.system_fingerprint);
}

void put_cairn(JsonWriter& json, const AnswerEnd& end) {
  if (!end.cairn.empty()) json.key("cairn").value(end.cairn);
}

}  // namespace cairn
