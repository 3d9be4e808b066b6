// Any bytes as the body of a request; the first one chooses the interface. Parsing ends in an error that says something,
// or in a call that keeps the bounds that server/openai/call.h promises; a reply to that call is valid JSON.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "server/ollama/parse.h"
#include "server/ollama/reply.h"
#include "server/openai/call_limits.h"
#include "server/openai/parse.h"
#include "server/openai/reply.h"
#include "server/openai/stream.h"
#include "server/openai/tokenize.h"

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

bool is_within(double value, double min, double max) { return value >= min && value <= max; }

bool is_utf8(std::string_view text) { return !cairn::find_invalid_utf8(text).has_value(); }

void check_error(const cairn::ApiError& error) {
  check(error.status >= 400 && error.status < 600 && !error.type.empty() && !error.message.empty());
  boost::json::error_code code;
  boost::json::parse(cairn::error_body(error), code);
  check(!code);
}

void check_sampling(const cairn::SamplingParams& sampling) {
  check(is_within(sampling.temperature, 0, cairn::kTemperatureMax));
  check(is_within(sampling.top_p, 0, 1) && sampling.top_p > 0 && is_within(sampling.min_p, 0, 1));
  check(sampling.top_k.value_or(1) >= 1 && sampling.penalty_window.value_or(0) >= 0);
  check(is_within(sampling.repetition_penalty, 0, cairn::kRepetitionPenaltyMax) &&
        sampling.repetition_penalty > 0);
  check(std::abs(sampling.frequency_penalty) <= cairn::kPenaltyAbsMax);
  check(std::abs(sampling.presence_penalty) <= cairn::kPenaltyAbsMax);
  check(sampling.logit_bias.size() <= cairn::kLogitBiasMax);
  for (const auto& bias : sampling.logit_bias) {
    check(bias.token >= 0 && std::abs(bias.added) <= cairn::kLogitBiasAbsMax);
  }
}

void check_content(const cairn::TextCall& call) {
  const bool is_ollama =
      call.face == cairn::ApiFace::kOllamaChat || call.face == cairn::ApiFace::kOllamaGenerate;
  check(!call.is_load_only() || is_ollama);
  check(call.messages.empty() || call.prompts.empty());
  check(call.messages.size() <= cairn::kMessagesMax + 1 && call.prompts.size() <= cairn::kPromptsMax);
  for (const auto& turn : call.messages) {
    check(turn.role == "system" || turn.role == "user" || turn.role == "assistant" || turn.role == "tool");
    check(is_utf8(turn.content) && is_utf8(turn.reasoning) &&
          turn.tool_calls.size() <= cairn::kToolCallsMax + 1);
  }
  for (const auto& prompt : call.prompts) {
    const auto* tokens = std::get_if<std::vector<cairn::TokenId>>(&prompt);
    if (tokens == nullptr) continue;
    check(!tokens->empty() && std::ranges::all_of(*tokens, [](cairn::TokenId token) { return token >= 0; }));
  }
}

void check_call(const cairn::TextCall& call) {
  check_sampling(call.sampling);
  check_content(call);
  check(call.n >= 1 && call.n <= cairn::kSamplesMax && call.choice_count() <= cairn::kChoicesMax);
  check(call.max_tokens.value_or(0) >= 0 && call.max_tokens.value_or(0) <= cairn::kMaxTokensMax);
  check(call.logprobs.value_or(0) >= 0 && call.logprobs.value_or(0) <= cairn::kTopLogprobsMax);
  check(call.deadline_ms.value_or(1) >= 1 && call.deadline_ms.value_or(1) <= cairn::kDeadlineMsMax);
  check(call.stops.size() <= cairn::kStopsMax);
  for (const auto& stop : call.stops) check(!stop.empty() && stop.size() <= cairn::kStopBytesMax);
  check(call.tools.size() <= cairn::kToolsMax);
  const auto is_chosen = [&](const cairn::CallTool& tool) { return tool.spec.name == call.tool_choice.name; };
  check(call.tool_choice.use != cairn::ToolUse::kNamed || std::ranges::any_of(call.tools, is_chosen));
  check(!call.tools.empty() || call.tool_choice.use == cairn::ToolUse::kNone);
}

void check_reply(const cairn::TextCall& call) {
  const cairn::AnswerHead head = {.id = "1", .created_ns = 0, .model = call.model};
  const cairn::Answer answer = {
      .choices = {{.text = call.model, .tool_calls = {{"c", "f", call.cache_salt}}}}};
  const bool is_ollama =
      call.face == cairn::ApiFace::kOllamaChat || call.face == cairn::ApiFace::kOllamaGenerate;
  boost::json::parse_options options;
  options.max_depth = 2 * cairn::kBodyDepthMax;  // a call's schemas stand deeper in a reply
  boost::json::error_code error;
  boost::json::parse(
      is_ollama ? cairn::write_ollama_answer(call, head, answer) : cairn::write_answer(call, head, answer),
      error, {}, options);
  check(!error);
  const auto stream =
      is_ollama ? cairn::make_ollama_stream(call, head) : cairn::make_openai_stream(call, head);
  std::string bytes = stream->begin();
  bytes += stream->piece({.text = call.model, .tool_calls = {{.index = 0, .id = "c", .name = "f"}}});
  bytes += stream->finish(0, cairn::AnswerFinish::kStop);
  bytes += stream->end({});
  check(bytes.back() == '\n');
}

void use(const cairn::ApiResult<cairn::TextCall>& call) {
  if (!call.ok()) return check_error(call.error());
  check_call(*call);
  check_reply(*call);
}

template <typename T>
void use(const cairn::ApiResult<T>& call) {
  if (!call.ok()) check_error(call.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0: use(cairn::parse_chat_call(body)); break;
    case 1: use(cairn::parse_completions_call(body)); break;
    case 2: use(cairn::parse_responses_call(body)); break;
    case 3: use(cairn::parse_ollama_chat(body)); break;
    case 4: use(cairn::parse_ollama_generate(body)); break;
    case 5: use(cairn::parse_tokenize_call(body)); break;
    case 6: use(cairn::parse_detokenize_call(body)); break;
    default: use(cairn::parse_ollama_show(body)); break;
  }
  return 0;
}
