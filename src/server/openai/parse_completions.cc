// POST /v1/completions.
#include <fmt/format.h>

#include <limits>

#include "server/openai/call_fields.h"
#include "server/openai/call_limits.h"
#include "server/openai/parse.h"
#include "server/openai/token_fields.h"

namespace cairn {
namespace {

constexpr std::string_view kPromptForms =
    "must be a string, a list of strings, a list of token ids, or a list of lists of token ids";

void read_prompt_list(const FieldReader& fields, const boost::json::array& list, TextCall& call) {
  if (list.size() > kPromptsMax) {
    fields.refuse("prompt", fmt::format("has {} prompts: it may have at most {}", list.size(), kPromptsMax));
    return;
  }
  for (size_t i = 0; i < list.size() && !fields.failed(); ++i) {
    const std::string path = element_path("prompt", i);
    if (list[i].kind() != list[0].kind()) {
      fields.refuse(path, fmt::format("is {}, but the first prompt is {}: all must be of one kind",
                                      kind_of(list[i]), kind_of(list[0])));
    } else if (const auto* text = list[i].if_string()) {
      call.prompts.emplace_back(std::string(text->data(), text->size()));
    } else if (const auto* tokens = list[i].if_array()) {
      call.prompts.emplace_back(read_tokens(fields, path, *tokens));
    } else {
      fields.refuse(path, kPromptForms);
    }
  }
}

void read_prompt(const FieldReader& fields, TextCall& call) {
  const auto* prompt = fields.find("prompt");
  if (prompt == nullptr) {
    fields.refuse("prompt", "is missing");
  } else if (const auto* text = prompt->if_string()) {
    call.prompts.emplace_back(std::string(text->data(), text->size()));
  } else if (const auto* list = prompt->if_array(); list == nullptr) {
    fields.refuse("prompt", kPromptForms);
  } else if (list->empty()) {
    fields.refuse("prompt", "is an empty list");
  } else if ((*list)[0].is_number()) {
    call.prompts.emplace_back(read_tokens(fields, "prompt", *list));
  } else {
    read_prompt_list(fields, *list, call);
  }
}

void read_choices(const FieldReader& fields, TextCall& call) {
  call.n = fields.integer("n", {1, kSamplesMax}).value_or(1);
  const auto best_of = fields.integer("best_of", {1, kSamplesMax});
  if (best_of.has_value() && *best_of != call.n && *best_of != 1) {
    fields.refuse_unsupported("best_of", "must be 1 or equal 'n': this server returns all that it generates");
  }
  if (call.choice_count() > kChoicesMax) {
    fields.refuse("n", fmt::format("times the prompts gives {} choices: there may be at most {}",
                                   call.choice_count(), kChoicesMax));
  }
}

}  // namespace

ApiResult<TextCall> parse_completions_call(std::string_view body) {
  constexpr int64_t kDefaultMaxTokens = 16;  // OpenAI's
  auto json = read_body(body);
  if (!json.ok()) return json.error();
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  TextCall call;
  call.face = ApiFace::kCompletions;
  call.sampling.temperature = 1;
  call.tool_choice = {ToolUse::kNone};
  read_common(fields, call);
  read_prompt(fields, call);
  read_sampling(fields, call.sampling);
  call.max_tokens = fields.integer("max_tokens", {0, kMaxTokensMax}).value_or(kDefaultMaxTokens);
  call.stops = read_stops(fields, "stop");
  read_choices(fields, call);
  call.logprobs = fields.integer("logprobs", {0, kTopLogprobsMax});
  call.echo = fields.flag("echo").value_or(false);
  call.format = read_format(fields, "response_format", FormatForm::kNested);
  if (const auto options = fields.object("stream_options")) {
    call.include_usage = options->flag("include_usage").value_or(false);
  }
  fields.refuse_if_set("suffix", "is not served: this server only continues texts");
  if (error.has_value()) return std::move(*error);
  return call;
}

}  // namespace cairn
