#include "cli/chat_turns.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "cli/console.h"
#include "cli/template_options.h"
#include "cli/window_words.h"
#include "engine/open_engine.h"
#include "text/conversation_start.h"
#include "text/fit_prompt.h"

namespace cairn {
namespace {

void append(Reply part, Reply& whole) {
  const int64_t generated = whole.result.stats.generated_tokens;
  if (generated == 0) {
    whole = std::move(part);
    return;
  }
  whole.tokens.insert(whole.tokens.end(), part.tokens.begin(), part.tokens.end());
  whole.text += part.text;
  whole.result.reason = part.result.reason;
  whole.result.stats.generated_tokens = generated + part.result.stats.generated_tokens;
  whole.result.stats.kv_bytes = part.result.stats.kv_bytes;
  whole.result.stats.kept_rows = std::move(part.result.stats.kept_rows);
  whole.kv_pool_bytes = std::max(whole.kv_pool_bytes, part.kv_pool_bytes);
  std::ranges::transform(whole.passed_blocks, part.passed_blocks, whole.passed_blocks.begin(), std::plus<>());
}

bool is_stopped_unbegun(const Reply& reply) {
  return reply.result.reason == FinishReason::kCancelled && reply.text.empty();
}

}  // namespace

ChatTurns::ChatTurns(const Place& place, Conversation conversation, ChatSettings settings,
                     std::optional<PrefixSharing> explained)
    : place_(place),
      conversation_(std::move(conversation)),
      settings_(std::move(settings)),
      explained_(explained) {
  if (!settings_.sampling.seed.has_value()) settings_.sampling.seed = fresh_seed();
}

Status ChatTurns::set(std::string_view text) {
  constexpr std::string_view kVariable = "template-var";
  if (text.starts_with(kVariable)) {
    text.remove_prefix(kVariable.size());
    text.remove_prefix(std::min(text.find_first_not_of(" \t="), text.size()));
    CAIRN_ASSIGN_OR_RETURN(const auto variable, parse_template_variable(std::string(text)));
    CAIRN_RETURN_IF_ERROR(conversation_.set_variable(variable.first, variable.second));
    if (!conversation_.reads_variable(variable.first)) {
      place_.console.note("(" + unread_variable(variable.first) + ")");
    }
    return {};
  }
  CAIRN_RETURN_IF_ERROR(change_setting(text, check_sampling, settings_));
  if (!settings_.sampling.seed.has_value()) settings_.sampling.seed = fresh_seed();
  return {};
}

Status ChatTurns::say(std::string_view question) {
  Conversation before = conversation_;
  conversation_.add_user(question);
  sample_index_ = 0;
  const auto is_kept = finish_turn(reply());
  if (!is_kept.ok() || !*is_kept) conversation_ = std::move(before);
  return is_kept.status();
}

Status ChatTurns::again() {
  const auto& messages = conversation_.messages();
  const size_t count = messages.size();
  const bool has_reply =
      count >= 2 && messages[count - 1].role == "assistant" && messages[count - 2].role == "user";
  if (!has_reply && (count == 0 || messages.back().role != "user")) {
    return invalid_argument("there is no question yet");
  }
  Conversation before = conversation_;
  if (has_reply) conversation_.drop_last();
  sample_index_ += has_reply ? 1 : 0;
  const auto is_kept = finish_turn(reply());
  if (!is_kept.ok() || !*is_kept) conversation_ = std::move(before);
  return is_kept.status();
}

// Where the context is full: what else there is, behind what is said of it.
std::string ChatTurns::offer() const {
  const std::optional<Visibility> seen = place_.chat.endless_view();
  if (!seen.has_value()) return "";
  return fmt::format(
      "; /endless lets the text go on without an end, and older text fade: a token then sees {}",
      seen_text(*seen));
}

std::string ChatTurns::offer_once() { return std::exchange(has_offered_, true) ? "" : offer(); }

Status ChatTurns::go_endless() {
  CAIRN_RETURN_IF_ERROR(place_.chat.go_endless());
  const Visibility& seen = engine().cache().geometry().visibility(0);
  place_.console.note(
      fmt::format("(from here on the text has no end: each token sees {}; what lies before is forgotten)",
                  seen_text(seen)));
  return {};
}

// Whether the reply is a part of the conversation now.
Result<bool> ChatTurns::finish_turn(const Result<Reply>& reply) {
  CAIRN_RETURN_IF_ERROR(reply.status());
  place_.console.write("\n");
  last_statistics_ = describe_statistics(*reply);
  if (settings_.shows_statistics) place_.console.note(last_statistics_);
  if (explained_.has_value()) {
    explain_reply(reply_place(), *reply, conversation_.tokenizer(), *explained_);
  }
  if (is_stopped_unbegun(*reply)) {
    place_.console.note("(stopped before the reply began: the turn is taken back)");
    return false;
  }
  conversation_.add_assistant(reply->text);
  return true;
}

// What was said stays said, whatever comes after it.
Result<Reply> ChatTurns::reply() {
  Reply whole;
  CAIRN_ASSIGN_OR_RETURN(auto prompt, fitting_prompt({}));
  while (true) {
    auto part = reply_part(std::move(prompt), std::ssize(whole.tokens));
    if (!part.ok() && whole.tokens.empty()) return part.status();
    if (!part.ok()) {
      place_.console.error(part.status());
      return whole;
    }
    append(std::move(part).value(), whole);
    if (whole.result.reason != FinishReason::kContextFull) return whole;
    const size_t sent_before = conversation_.forgotten_message_count();
    auto next = fitting_prompt(whole.tokens);
    if (!next.ok() || conversation_.forgotten_message_count() == sent_before) break;
    prompt = std::move(next).value();
  }
  place_.console.note(fmt::format("\n(the context of {} positions is full: the reply ends here{})",
                                  engine().context(), offer()));
  return whole;
}

Result<Reply> ChatTurns::reply_part(std::vector<TokenId> prompt, int64_t begun_count) {
  Request request{.prompt = std::move(prompt)};
  if (settings_.max_tokens.has_value()) request.max_tokens = *settings_.max_tokens - begun_count;
  apply_sampling(settings_.sampling, *settings_.sampling.seed, request);
  request.sampling.sample_index = sample_index_;
  for (std::string& stop : conversation_.stop_strings()) request.stop_strings.push_back(std::move(stop));
  request.session = place_.chat.session();
  return run_reply(reply_place(), std::move(request), {});
}

// A prompt that is too long whatever is left out is refused by the engine.
Result<std::vector<TokenId>> ChatTurns::fitting_prompt(std::span<const TokenId> begun) {
  PromptRoom room{.context = std::min(engine().context(), engine().cache().max_length()),
                  .max_tokens = settings_.max_tokens,
                  .when_full = settings_.when_full,
                  .begun = begun};
  const size_t sent_before = conversation_.forgotten_message_count();
  CAIRN_ASSIGN_OR_RETURN(auto prompt, fit_prompt(room, conversation_));
  if (settings_.when_full == WhenFull::kStop && std::ssize(prompt) >= room.context) {
    Conversation fewer = conversation_;
    room.when_full = WhenFull::kDropOldest;
    CAIRN_ASSIGN_OR_RETURN(auto fitting, fit_prompt(room, fewer));
    if (fewer.forgotten_message_count() == sent_before) return fitting;
    return invalid_argument(fmt::format(
        "the conversation has {} tokens, and the context holds {}: take turns back (/undo, /reset), "
        "or let the oldest go (/set when-full drop){}",
        prompt.size(), room.context, offer()));
  }
  if (conversation_.forgotten_message_count() > sent_before) {
    place_.console.note(fmt::format("{}(the context is full: the first {} messages are not sent any more{})",
                                    begun.empty() ? "" : "\n", conversation_.forgotten_message_count(),
                                    offer_once()));
  }
  return prompt;
}

std::string ChatTurns::describe_state() const {
  std::string text = last_statistics_.empty() ? "" : last_statistics_ + "\n";
  const auto prompt = conversation_.prompt();
  const size_t count = conversation_.messages().size();
  text += fmt::format("{} messages", count);
  if (conversation_.forgotten_message_count() > 0) {
    text += fmt::format(", the first {} of them not sent any more", conversation_.forgotten_message_count());
  }
  if (count > 0 && prompt.ok()) {
    text += engine().context() == kEndless
                ? fmt::format("; {} tokens", prompt->size())
                : fmt::format("; {} of {} positions of the context", prompt->size(), engine().context());
  }
  return text;
}

}  // namespace cairn
