#include "server/constraints.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <numeric>
#include <span>
#include <string_view>

#include "base/check.h"
#include "base/sha256.h"

namespace cairn {
namespace {

ToolCallSpec tools_of(const TextCall& call, const ToolForm& form) {
  ToolCallSpec spec{.tools = {}, .form = form};
  const bool is_must = call.tool_choice.use == ToolUse::kRequired || call.tool_choice.use == ToolUse::kNamed;
  for (const CallTool& tool : call.tools) {
    if (call.tool_choice.use == ToolUse::kNamed && tool.spec.name != call.tool_choice.name) continue;
    const boost::json::object& parameters = tool.spec.parameters;
    spec.tools.push_back(
        {tool.spec.name, parameters.empty() ? boost::json::value() : boost::json::value(parameters)});
  }
  spec.need = is_must ? ToolCallSpec::Need::kMust : ToolCallSpec::Need::kMay;
  const bool may_talk_first = !is_must && call.format.kind == ResponseKind::kText && !form.begin.empty();
  spec.text_before = may_talk_first ? ToolCallSpec::TextBefore::kFree : ToolCallSpec::TextBefore::kNone;
  spec.calls_max = call.parallel_tool_calls && !form.begin.empty() ? call.tool_calls_max : 1;
  return spec;
}

// The token where the vocabulary has a special one of this name, which text alone cannot write; else text.
Marker marker_of(const std::string& text, const Tokenizer& tokenizer) {
  if (text.empty()) return {};
  const auto token = tokenizer.find(text);
  if (token.has_value() && tokenizer.is_special(*token)) return {{.text = text, .token = token}};
  return {{.text = text}};
}

Marker joined(Marker first, const Marker& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::optional<ToolForm> tool_form_of(const ReplyFormat& format, const Tokenizer& tokenizer) {
  ToolForm form;
  form.name_key = format.name_key;
  form.arguments_key = format.arguments_key;
  const Marker space = marker_of(format.space_inside_marks, tokenizer);
  switch (format.call_form) {
    case CallForm::kNone:
    case CallForm::kHarmony: return std::nullopt;
    case CallForm::kBare: return form;
    case CallForm::kMarked: break;
  }
  form.begin = joined(marker_of(format.call_marks.open, tokenizer), space);
  form.end = joined(space, marker_of(format.call_marks.close, tokenizer));
  form.between = space;
  if (format.payload == CallPayload::kList) form.list = ToolForm::List::kArray;
  if (format.payload == CallPayload::kNameThenArguments) {
    form.call = ToolForm::Call::kNameInMarker;
    form.before_arguments = marker_of("[ARGS]", tokenizer);
  }
  return form;
}

AnswerSpec answer_of(const ResponseFormat& format) {
  switch (format.kind) {
    case ResponseKind::kText: break;
    case ResponseKind::kJsonObject: return {.kind = AnswerSpec::Kind::kJsonObject, .schema = {}};
    case ResponseKind::kJsonSchema: return {.kind = AnswerSpec::Kind::kJsonSchema, .schema = format.schema};
  }
  return {};
}

// Where a call of this interface says what its reply must look like.
std::string_view format_field(ApiFace face) {
  switch (face) {
    case ApiFace::kChat:
    case ApiFace::kCompletions: return "response_format";
    case ApiFace::kResponses: return "text.format";
    case ApiFace::kOllamaChat:
    case ApiFace::kOllamaGenerate: return "format";
  }
  CHECK(false);
  return {};
}

// A digest of all that decides about a guide: schemas may be megabytes.
std::string key_of(const TextCall& call, ReasoningForm::Start start) {
  boost::json::array tools;
  for (const CallTool& tool : call.tools) {
    tools.push_back(boost::json::array{tool.spec.name, tool.spec.parameters});
  }
  const boost::json::array key{static_cast<int>(start), static_cast<int>(call.format.kind),
                               call.format.schema,      static_cast<int>(call.tool_choice.use),
                               call.tool_choice.name,   call.parallel_tool_calls,
                               call.tool_calls_max,     std::move(tools)};
  const std::string text = boost::json::serialize(key);
  Sha256 sha;
  sha.update(std::as_bytes(std::span(text)));
  return to_hex(sha.finish());
}

}  // namespace

ConstraintForms forms_of(const ReplyFormat& format, const Tokenizer& tokenizer) {
  ConstraintForms forms{.tools = tool_form_of(format, tokenizer), .reasoning = {}};
  if (format.reasoning.has_value() && !format.reasoning->close.empty()) {
    forms.reasoning = ReasoningForm{.open = marker_of(format.reasoning->open, tokenizer),
                                    .close = marker_of(format.reasoning->close, tokenizer)};
  }
  return forms;
}

std::optional<GuideSpec> Constraints::spec_for(const TextCall& call, ReasoningForm::Start start) const {
  GuideSpec spec{.reasoning = forms_.reasoning, .answer = answer_of(call.format), .tools = {}};
  if (spec.reasoning.has_value()) spec.reasoning->start = start;
  const bool has_tools =
      !call.tools.empty() && call.tool_choice.use != ToolUse::kNone && forms_.tools.has_value();
  if (has_tools) spec.tools = tools_of(call, *forms_.tools);
  if (!has_tools && call.format.kind == ResponseKind::kText) return std::nullopt;
  return spec;
}

ApiResult<std::shared_ptr<const Guide>> Constraints::guide_for(const TextCall& call, TenantId tenant,
                                                               ReasoningForm::Start start) {
  const bool must_call =
      call.tool_choice.use == ToolUse::kRequired || call.tool_choice.use == ToolUse::kNamed;
  if (must_call && !call.tools.empty() && !forms_.tools.has_value()) {
    return unsupported_request("tool_choice",
                               "this model's calls have a form that cannot be forced: use auto");
  }
  const std::optional<GuideSpec> spec = spec_for(call, start);
  if (!spec.has_value()) return std::shared_ptr<const Guide>();
  if (trie_ == nullptr) return error_of(why_none_);
  Key key{tenant, key_of(call, start)};
  if (auto known = find(key)) return known;
  auto guide = Guide::compile(trie_, *spec);
  if (!guide.ok()) {
    const bool is_format = call.format.kind != ResponseKind::kText;
    ApiError error = error_of(guide.status());
    error.param = is_format ? format_field(call.face) : "tools";
    return error;
  }
  keep(key, *guide);
  return *guide;
}

std::shared_ptr<const Guide> Constraints::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto kept = guides_.find(key);
  if (kept == guides_.end()) return nullptr;
  by_use_.splice(by_use_.end(), by_use_, kept->second.used_at);
  const std::shared_ptr<const Guide> guide = kept->second.guide;
  forget_oldest();  // guides grow as they are used
  return guide;
}

bool Constraints::is_over_limits() const {
  if (guides_.size() > kMostGuides) return true;
  const uint64_t bytes =
      std::accumulate(guides_.begin(), guides_.end(), uint64_t{0},
                      [](uint64_t sum, const auto& kept) { return sum + kept.second.guide->used_bytes(); });
  return bytes > kMostBytes;
}

void Constraints::keep(const Key& key, std::shared_ptr<const Guide> guide) {
  const std::lock_guard lock(mutex_);
  const auto [kept, is_new] = guides_.try_emplace(key);
  if (!is_new) return;  // another request of the tenant was as quick
  kept->second = {std::move(guide), by_use_.insert(by_use_.end(), key)};
  forget_oldest();
}

void Constraints::forget_oldest() {
  while (by_use_.size() > 1 && is_over_limits()) {
    guides_.erase(by_use_.front());
    by_use_.pop_front();
  }
}

}  // namespace cairn
