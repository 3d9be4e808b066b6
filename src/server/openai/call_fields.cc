#include "server/openai/call_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/printable.h"
#include "server/openai/call_limits.h"

namespace cairn {
namespace {

std::optional<TokenId> token_named(std::string_view text) {
  TokenId token = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token);
  if (error != std::errc() || end != text.data() + text.size() || token < 0) return std::nullopt;
  return token;
}

void read_logit_bias(const FieldReader& fields, SamplingParams& sampling) {
  const auto bias = fields.object("logit_bias");
  if (!bias.has_value()) return;
  if (bias->json().size() > kLogitBiasMax) {
    fields.refuse("logit_bias",
                  fmt::format("has {} entries: it may have at most {}", bias->json().size(), kLogitBiasMax));
    return;
  }
  for (const auto& [key, value] : bias->json()) {
    const auto token = token_named(key);
    if (!token.has_value()) {
      fields.refuse("logit_bias",
                    fmt::format("has the key '{}': keys are token ids, like \"50256\"", printable(key)));
      return;
    }
    const auto added = bias->number(key, {-kLogitBiasAbsMax, kLogitBiasAbsMax});
    if (fields.failed()) return;
    if (added.has_value()) sampling.logit_bias.push_back({*token, static_cast<float>(*added)});
  }
}

// int64_t, as OpenAI has it, or uint64_t: 64 bits either way.
void read_seed(const FieldReader& fields, SamplingParams& sampling) {
  const auto* value = fields.find("seed");
  if (value == nullptr) return;
  if (const auto* large = value->if_uint64()) {
    sampling.seed = *large;
  } else if (const auto seed = fields.integer("seed", {})) {
    sampling.seed = static_cast<uint64_t>(*seed);
  }
}

void read_repetition(const FieldReader& fields, SamplingParams& sampling) {
  for (const std::string_view name : {"repeat_penalty", "repetition_penalty"}) {
    const auto penalty = fields.number(name, {0, kRepetitionPenaltyMax});
    if (!penalty.has_value()) continue;
    if (*penalty == 0) {
      fields.refuse(name, "must be above 0 (1: no penalty)");
      return;
    }
    sampling.repetition_penalty = *penalty;
  }
  if (const auto window = fields.integer("repeat_last_n", {-1, kMaxTokensMax})) {
    sampling.penalty_window = *window == -1 ? std::nullopt : window;
  }
}

void read_cairn(const FieldReader& fields, TextCall& call) {
  if (const auto cairn = fields.object("cairn")) {
    call.explain_cache = cairn->flag("explain_cache").value_or(false);
  }
}

}  // namespace

void read_sampling(const FieldReader& fields, SamplingParams& sampling) {
  if (const auto t = fields.number("temperature", {0, kTemperatureMax})) sampling.temperature = *t;
  // At 0 the one most likely token stays, which the engine's own range, above 0, says by its smallest number.
  if (const auto p = fields.number("top_p", {0, 1})) {
    sampling.top_p = std::max(*p, std::numeric_limits<double>::min());
  }
  if (const auto p = fields.number("min_p", {0, 1})) sampling.min_p = *p;
  if (const auto k = fields.integer("top_k", {-1, kMaxTokensMax})) {
    sampling.top_k = *k < 1 ? std::nullopt : k;  // 0 and -1: all, as other servers have it
  }
  const NumberBounds penalties = {-kPenaltyAbsMax, kPenaltyAbsMax};
  if (const auto p = fields.number("frequency_penalty", penalties)) sampling.frequency_penalty = *p;
  if (const auto p = fields.number("presence_penalty", penalties)) sampling.presence_penalty = *p;
  read_repetition(fields, sampling);
  read_logit_bias(fields, sampling);
  read_seed(fields, sampling);
}

void read_common(const FieldReader& fields, TextCall& call) {
  call.model = fields.text("model", kModelBytesMax).value_or("");
  if (const auto stream = fields.flag("stream")) {
    call.delivery = *stream ? ReplyDelivery::kStreamed : ReplyDelivery::kWhole;
  }
  static_cast<void>(fields.text("user"));
  call.cache_salt = fields.text("cache_salt", kSaltBytesMax).value_or("");
  if (const auto priority = fields.integer("priority", {-kPriorityAbsMax, kPriorityAbsMax})) {
    call.priority = static_cast<int32_t>(*priority);
  }
  call.deadline_ms = fields.integer("deadline_ms", {1, kDeadlineMsMax});
  read_template_variables(fields, call.template_variables);
  read_cairn(fields, call);
}

std::vector<std::string> read_stops(const FieldReader& fields, std::string_view name) {
  const auto* value = fields.find(name);
  if (value == nullptr) return {};
  std::vector<std::string> stops;
  const auto add = [&](const std::string& path, const boost::json::value& stop) {
    const auto* text = stop.if_string();
    if (text == nullptr) return fields.refuse(path, "must be a string, not " + kind_of(stop));
    if (text->empty()) return fields.refuse(path, "is an empty string: leave it out");
    if (text->size() > kStopBytesMax) {
      return fields.refuse(path,
                           fmt::format("has {} bytes: it may have at most {}", text->size(), kStopBytesMax));
    }
    stops.emplace_back(*text);
  };
  if (value->is_string()) {
    add(std::string(name), *value);
    return stops;
  }
  if (!value->is_array()) {
    fields.refuse(name, "must be a string or a list of strings, not " + kind_of(*value));
    return {};
  }
  const auto* list = fields.list(name, kStopsMax);
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) add(element_path(name, i), (*list)[i]);
  return stops;
}

void read_reasoning_effort(const FieldReader& fields, std::string_view name, TextCall& call) {
  constexpr std::string_view kEfforts[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
  const auto effort = fields.text(name, kNameBytesMax);
  if (!effort.has_value()) return;
  if (std::ranges::find(kEfforts, *effort) == std::end(kEfforts)) {
    fields.refuse(name, "must be one of none, minimal, low, medium, high, xhigh, max");
    return;
  }
  call.reasoning_effort = *effort;
  auto& variables = call.template_variables;
  const auto is_set = [&](std::string_view variable) {
    return std::ranges::any_of(variables, [&](const auto& entry) { return entry.first == variable; });
  };
  if (!is_set("reasoning_effort")) variables.emplace_back("reasoning_effort", *effort);
  const bool is_off = *effort == "none" || *effort == "minimal";
  if (is_off && !is_set("enable_thinking")) variables.emplace_back("enable_thinking", false);
}

void read_template_variables(const FieldReader& fields,
                             std::vector<std::pair<std::string, TemplateVariable>>& variables) {
  const auto object = fields.object("chat_template_kwargs");
  if (!object.has_value()) return;
  if (object->json().size() > kTemplateVariablesMax) {
    fields.refuse("chat_template_kwargs", fmt::format("has {} entries: it may have at most {}",
                                                      object->json().size(), kTemplateVariablesMax));
    return;
  }
  for (const auto& [key, value] : object->json()) {
    if (value.is_null()) continue;
    if (const auto* flag = value.if_bool()) {
      variables.emplace_back(key, *flag);
    } else if (const auto integer = integer_of(value)) {
      variables.emplace_back(key, *integer);
    } else if (const auto* text = value.if_string()) {
      variables.emplace_back(key, std::string(*text));
    } else {
      object->refuse(key, "must be true, false, an integer or a string, not " + kind_of(value));
      return;
    }
  }
}

}  // namespace cairn
