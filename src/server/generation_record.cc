// What is remembered of a Generation: its usage, its line in the log, and why its prompt was processed again.
#include <algorithm>

#include "server/generation.h"
#include "server/ids.h"

namespace cairn {

AnswerEnd Generation::end_facts() const {
  AnswerEnd end;
  for (size_t i = 0; i < choices_.size(); ++i) {
    const RequestStats& stats = choices_[i].result.stats;
    end.usage.completion_tokens += stats.generated_tokens;
    end.usage.reasoning_tokens += choices_[i].reasoning_tokens;
    if (i % static_cast<size_t>(prepared_.call.n) != 0) continue;
    end.usage.prompt_tokens += stats.prompt_tokens;
    end.usage.cached_tokens += stats.reused_tokens;
  }
  const auto now_ns = static_cast<int64_t>(service_.clock.now_ns());
  const auto arrived_ns = static_cast<int64_t>(prepared_.arrived_ns);
  const auto first_ns = first_token_ns_ == 0 ? now_ns : static_cast<int64_t>(first_token_ns_);
  end.times = {.total_ns = now_ns - arrived_ns,
               .load_ns = 0,
               .prompt_ns = first_ns - arrived_ns,
               .generation_ns = now_ns - first_ns};
  if (prepared_.call.explain_cache && match_.has_value()) {
    end.cairn["cache"] =
        explanation_json(*match_, explanation_place(service_, prepared_.rewrites_earlier_turns));
  }
  return end;
}

void Generation::record(const std::optional<ApiError>& error) {
  const AnswerUsage usage = end_facts().usage;
  if (place_.has_value()) place_->set_used_tokens(usage.prompt_tokens + usage.completion_tokens);
  const bool has_text = service_.records.wants_text();
  ExplanationPlace in_the_log = explanation_place(service_, prepared_.rewrites_earlier_turns);
  in_the_log.pressure = Pressure::kShown;                     // its reader sees what all ask for
  if (!has_text) in_the_log.known_text = KnownText::kHidden;  // tokens are text of prompts
  const std::string reason = match_.has_value() ? explanation_words(*match_, in_the_log) : std::string();
  const auto seconds = [](uint64_t from_ns, uint64_t to_ns) {
    return static_cast<double>(to_ns - from_ns) * 1e-9;
  };
  const uint64_t now_ns = service_.clock.now_ns();
  const std::string id = shown_reply_id(prepared_.call.face, prepared_.id);
  RequestFacts facts{.id = id,
                     .tenant = prepared_.tenant->config.name,
                     .endpoint = prepared_.endpoint,
                     .status = error.has_value() ? error->status : 200,
                     .outcome = outcome(error),
                     .prompt_tokens = usage.prompt_tokens,
                     .reused_tokens = usage.cached_tokens,
                     .generated_tokens = usage.completion_tokens,
                     .duration_s = seconds(prepared_.arrived_ns, now_ns),
                     .reason = reason};
  if (first_token_ns_ != 0) facts.ttft_s = seconds(prepared_.arrived_ns, first_token_ns_);
  const int64_t later_tokens = choices_[0].result.stats.generated_tokens - 1;
  if (later_tokens > 0) facts.tpot_s = choices_[0].result.stats.tpot_ns * 1e-9;
  service_.records.note(facts, has_text ? prepared_.prompt_texts[0] : std::string(),
                        has_text ? choices_[0].answer.text : std::string());
  if (!match_.has_value()) return;
  service_.records.keep(prepared_.tenant->id, {.id = prepared_.id,
                                               .endpoint = prepared_.endpoint,
                                               .created_s = prepared_.created_ns / 1'000'000'000,
                                               .match = *match_,
                                               .rewrites_earlier_turns = prepared_.rewrites_earlier_turns});
}

// As much of it as a line of the log has.
void Generation::keep_for_log(const StreamPiece& piece) {
  std::string& text = choices_[static_cast<size_t>(piece.choice)].answer.text;
  if (text.size() < Log::kMostLineBytes) text += piece.text.substr(0, Log::kMostLineBytes - text.size());
}

RequestOutcome Generation::outcome(const std::optional<ApiError>& error) const {
  if (is_gone_) return RequestOutcome::kCancelled;
  if (is_ended_by_stop()) return RequestOutcome::kShutdown;
  if (error.has_value()) return error->status == 504 ? RequestOutcome::kDeadline : RequestOutcome::kError;
  const Choice& first = choices_[0];
  if (!first.answer.tool_calls.empty()) return RequestOutcome::kToolCalls;
  switch (finish_of(first)) {
    case AnswerFinish::kDeadline: return RequestOutcome::kDeadline;
    case AnswerFinish::kCancelled: return RequestOutcome::kCancelled;
    case AnswerFinish::kLength: return RequestOutcome::kLength;
    case AnswerFinish::kStop:
    case AnswerFinish::kContentFilter: break;
  }
  return RequestOutcome::kStop;
}

}  // namespace cairn
