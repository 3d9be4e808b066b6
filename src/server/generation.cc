#include "server/generation.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/token_constraint.h"
#include "server/ids.h"
#include "server/openai/reply.h"
#include "server/web_reply.h"

namespace cairn {
namespace {

// Of a reply that is kept until its end; a longer one can be streamed.
constexpr size_t kKeptBytesMax = size_t{64} << 20;
constexpr size_t kLogprobBytes = 64;  // of a token's chance in memory, about

bool is_chat(ApiFace face) { return face != ApiFace::kCompletions; }

bool is_ollama(ApiFace face) { return face == ApiFace::kOllamaChat || face == ApiFace::kOllamaGenerate; }

// A tenant's secret and a salt that the client chose, so that no two pairs are alike: the first has one length.
std::string joined_salt(const std::string& tenant, const std::string& chosen) {
  return chosen.empty() ? tenant : tenant + '\x1f' + chosen;
}

}  // namespace

void Generation::start(const Service& service, std::shared_ptr<HttpExchange> exchange, PreparedCall prepared,
                       Access::Place place) {
  std::shared_ptr<Generation> made(
      new Generation(service, std::move(exchange), std::move(prepared), std::move(place)));
  made->begin();
}

Generation::Generation(const Service& service, std::shared_ptr<HttpExchange> exchange, PreparedCall prepared,
                       Access::Place place)
    : service_(service),
      exchange_(std::move(exchange)),
      prepared_(std::move(prepared)),
      place_(std::move(place)),
      prompt_report_(prepared_.call.logprobs.value_or(0)) {
  choices_.reserve(prepared_.choice_count());
  for (size_t i = 0; i < prepared_.choice_count(); ++i) {
    choices_.emplace_back(ReplyReader(prepared_.format, prepared_.reading));
  }
}

void Generation::begin() {
  exchange_->when_gone([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->client_is_gone();
  });
  const std::lock_guard lock(mutex_);
  if (const Status status = submit(); !status.ok()) {
    refusal_ = error_of(status);
    cancel_all();
  } else if (prepared_.call.is_streamed()) {
    begin_stream();
  }
  if (is_gone_) cancel_all();
  if (ended_count_ == choices_.size()) finish_all();
}

// ---- into the engine ----

Status Generation::submit() {
  for (size_t prompt = 0; prompt < prepared_.prompts.size(); ++prompt) {
    const Status status = submit_prompt(prompt);
    if (status.ok()) continue;
    const size_t first = prompt * static_cast<size_t>(prepared_.call.n);
    for (size_t i = first; i < choices_.size(); ++i) {  // these will never be heard of
      choices_[i].has_ended = true;
      ++ended_count_;
    }
    return status;
  }
  return {};
}

Status Generation::submit_prompt(size_t prompt) {
  const size_t first = prompt * static_cast<size_t>(prepared_.call.n);
  std::vector<Request> requests;
  for (int64_t sample = 0; sample < prepared_.call.n; ++sample) {
    requests.push_back(request_for(prompt, sample));
    listen(requests.back(), first + static_cast<size_t>(sample));
  }
  if (requests.size() == 1) {
    CAIRN_ASSIGN_OR_RETURN(auto ticket, service_.engine.submit(std::move(requests[0])));
    tickets_.push_back(std::move(ticket));
    return {};
  }
  std::vector<Request> forks(std::make_move_iterator(requests.begin() + 1),
                             std::make_move_iterator(requests.end()));
  CAIRN_ASSIGN_OR_RETURN(auto tickets,
                         service_.engine.submit_with_forks(std::move(requests[0]), std::move(forks)));
  tickets_.insert(tickets_.end(), tickets.begin(), tickets.end());
  return {};
}

Request Generation::request_for(size_t prompt, int64_t sample) {
  const TextCall& call = prepared_.call;
  Request request{.prompt = prepared_.prompts[prompt],
                  .sampling = call.sampling,
                  .max_tokens = call.max_tokens,
                  .stop_strings = prepared_.stop_strings,
                  .end_tokens = prepared_.format.end_tokens,
                  .shown_tokens = prepared_.format.mark_tokens,
                  .salt = joined_salt(prepared_.tenant->salt, call.cache_salt),
                  .tenant = prepared_.tenant->id,
                  .priority = call.priority,
                  .likeliest_count = call.logprobs.value_or(0)};
  request.sampling.sample_index = static_cast<uint64_t>(sample);
  if (scores_prompt()) request.logits_wanted = LogitsWanted::kEveryPosition;
  if (call.deadline_ms.has_value()) {
    request.deadline_ns = prepared_.arrived_ns + static_cast<uint64_t>(*call.deadline_ms) * 1'000'000;
  }
  if (prepared_.guide != nullptr) {
    request.constraint = std::make_shared<GuideConstraint>(prepared_.guide, prepared_.format.end_tokens);
  }
  return request;
}

void Generation::listen(Request& request, size_t choice) {
  const auto self = shared_from_this();
  request.on_begin = [self](const RequestStats& stats) { self->on_begin(stats); };
  if (scores_prompt()) {
    request.on_logits = [self, choice](int64_t position, std::span<const float> logits) {
      self->on_prompt_logits(choice, position, logits);
    };
  }
  if (prepared_.call.logprobs.has_value()) {
    request.on_choice = [self, choice](const TokenChoice& picked) { self->on_choice(choice, picked); };
  }
  request.on_token = [self, choice](TokenId) { self->on_token(choice); };
  request.on_text = [self, choice](std::string_view text) { self->on_text(choice, text); };
  request.on_finish = [self, choice](const RequestResult& result) { self->on_finish(choice, result); };
}

// ---- what the engine reports ----

void Generation::on_begin(const RequestStats& stats) {
  const std::lock_guard lock(mutex_);
  if (!match_.has_value()) match_ = stats.match;
}

// Of each row of the prompt but the last, whose logits pick the first token.
void Generation::on_prompt_logits(size_t choice, int64_t position, std::span<const float> logits) {
  const std::vector<TokenId>& prompt = prepared_.prompts[choice];
  if (position + 1 >= std::ssize(prompt)) return;
  const std::lock_guard lock(mutex_);
  const Result<TokenChoice> scored = prompt_report_.of(logits, prompt[static_cast<size_t>(position) + 1]);
  if (scored.ok()) choices_[choice].logprobs.push_back(logprob_of(*scored));
}

void Generation::on_choice(size_t choice, const TokenChoice& picked) {
  const std::lock_guard lock(mutex_);
  echo_prompt(choice);
  choices_[choice].logprobs.push_back(logprob_of(picked));
}

void Generation::on_token(size_t choice) {
  const uint64_t now_ns = service_.clock.now_ns();
  const std::lock_guard lock(mutex_);
  echo_prompt(choice);
  if (first_token_ns_ == 0) first_token_ns_ = now_ns;
  last_token_ns_ = now_ns;
  if (choices_[choice].kind == ReplyPartKind::kReasoning) ++choices_[choice].reasoning_tokens;
}

void Generation::on_text(size_t choice, std::string_view text) {
  const std::lock_guard lock(mutex_);
  emit(choice, choices_[choice].reader.push(text));
}

void Generation::on_finish(size_t choice, const RequestResult& result) {
  const std::lock_guard lock(mutex_);
  Choice& ended = choices_[choice];
  echo_prompt(choice);
  // Chances of what is no part of the text: the end token, or the tokens of a stop string.
  if (result.reason == FinishReason::kEndToken && !ended.logprobs.empty()) ended.logprobs.pop_back();
  if (result.reason == FinishReason::kStopString) ended.logprobs.clear();
  emit(choice, ended.reader.flush());
  if (!ended.logprobs.empty())
    send({.choice = static_cast<int64_t>(choice), .logprobs = std::exchange(ended.logprobs, {})});
  ended.result = result;
  ended.has_ended = true;
  ++ended_count_;
  if (writer_ != nullptr && !is_gone_ && result.status.ok() && !refusal_.has_value()) {
    if (!exchange_->send(writer_->finish(static_cast<int64_t>(choice), finish_of(ended)))) cancel_all();
  }
  if (ended_count_ == choices_.size()) finish_all();
}

// ---- to the client ----

bool Generation::scores_prompt() const { return prepared_.call.echo && prepared_.call.logprobs.has_value(); }

TokenLogprob Generation::logprob_of(const TokenChoice& picked) const {
  TokenLogprob logprob{.bytes = std::string(service_.tokenizer.token_text(picked.token)),
                       .logprob = picked.log_probability};
  for (const TokenProbability& likely : picked.likeliest) {
    logprob.top.push_back({std::string(service_.tokenizer.token_text(likely.token)), likely.log_probability});
  }
  return logprob;
}

// Once, before anything else of the choice: with the chances of all its tokens but the first, where they are asked for.
void Generation::echo_prompt(size_t choice) {
  Choice& echoing = choices_[choice];
  if (!prepared_.call.echo || echoing.has_echoed) return;
  echoing.has_echoed = true;
  const size_t prompt = choice / static_cast<size_t>(prepared_.call.n);
  StreamPiece piece{.choice = static_cast<int64_t>(choice), .text = prepared_.prompt_texts[prompt]};
  if (scores_prompt()) {
    piece.logprobs = std::exchange(echoing.logprobs, {});
    const TokenId first = prepared_.prompts[prompt].front();
    piece.logprobs.insert(piece.logprobs.begin(),
                          {.bytes = std::string(service_.tokenizer.token_text(first))});
  }
  send(std::move(piece));
}

// Chances go out with the text that they belong to, which a reader may hold back for a while.
void Generation::emit(size_t choice, const std::vector<ReplyPart>& parts) {
  if (parts.empty()) return;
  Choice& writing = choices_[choice];
  StreamPiece piece{.choice = static_cast<int64_t>(choice)};
  for (const ReplyPart& part : parts) {
    writing.kind = part.kind;
    const int64_t call = std::ssize(writing.answer.tool_calls) - 1;
    switch (part.kind) {
      case ReplyPartKind::kContent: piece.text += part.text; break;
      case ReplyPartKind::kReasoning: piece.reasoning += part.text; break;
      case ReplyPartKind::kCallBegin:
        writing.answer.tool_calls.push_back({.id = new_call_id(), .name = part.text});
        piece.tool_calls.push_back(
            {.index = call + 1, .id = writing.answer.tool_calls.back().id, .name = part.text});
        break;
      case ReplyPartKind::kCallArguments:
        piece.tool_calls.push_back({.index = call, .arguments = part.text});
        break;
      case ReplyPartKind::kCallEnd: break;
    }
  }
  if (piece.is_empty()) return;
  piece.logprobs = std::exchange(writing.logprobs, {});
  send(std::move(piece));
}

void Generation::send(StreamPiece piece) {
  if (piece.is_empty() || is_gone_) return;
  if (writer_ == nullptr) return keep(piece);
  if (!exchange_->send(writer_->piece(piece))) cancel_all();
}

void Generation::keep(const StreamPiece& piece) {
  AnswerChoice& answer = choices_[static_cast<size_t>(piece.choice)].answer;
  answer.text += piece.text;
  answer.reasoning += piece.reasoning;
  for (const ToolCallPiece& call : piece.tool_calls) {
    answer.tool_calls[static_cast<size_t>(call.index)].arguments += call.arguments;
  }
  kept_bytes_ += piece.text.size() + piece.reasoning.size();
  for (const TokenLogprob& logprob : piece.logprobs) kept_bytes_ += kLogprobBytes * (1 + logprob.top.size());
  std::ranges::copy(piece.logprobs, std::back_inserter(answer.logprobs));
  if (kept_bytes_ <= kKeptBytesMax || refusal_.has_value()) return;
  refusal_ = too_large_error(
      "the reply is too large to be kept until its end: ask for it with stream, or for less of it");
  cancel_all();
}

void Generation::begin_stream() {
  const TextCall& call = prepared_.call;
  writer_ = is_ollama(call.face) ? make_ollama_stream(call, head()) : make_openai_stream(call, head());
  exchange_->begin_stream({.content_type = std::string(stream_content_type(call.face)),
                           .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}});
  if (!exchange_->send(writer_->begin())) cancel_all();
}

AnswerFinish Generation::finish_of(const Choice& choice) const {
  switch (choice.result.reason) {
    case FinishReason::kEndToken:
    case FinishReason::kStopString: return AnswerFinish::kStop;
    case FinishReason::kDeadline: return AnswerFinish::kDeadline;
    case FinishReason::kCancelled: return AnswerFinish::kCancelled;
    case FinishReason::kLength:
    case FinishReason::kContextFull:
    case FinishReason::kError: break;
  }
  return AnswerFinish::kLength;
}

// What ends the whole call: a choice's error, or a deadline before which nothing came.
std::optional<ApiError> Generation::failure() const {
  if (refusal_.has_value()) return refusal_;
  for (const Choice& choice : choices_) {
    if (choice.result.reason == FinishReason::kError) return error_of(choice.result.status);
  }
  const bool late = std::ranges::any_of(
      choices_, [](const Choice& choice) { return choice.result.reason == FinishReason::kDeadline; });
  if (late && first_token_ns_ == 0)
    return timeout_error("the request's deadline_ms passed before its first token");
  return std::nullopt;
}

void Generation::client_is_gone() {
  const std::lock_guard lock(mutex_);
  is_gone_ = true;
  cancel_all();
}

void Generation::cancel_all() {
  for (const EngineThread::Ticket& ticket : tickets_) service_.engine.cancel(ticket);
}

void Generation::finish_all() {
  const std::optional<ApiError> error = failure();
  record(error);
  place_.reset();
  const TextCall& call = prepared_.call;
  if (writer_ != nullptr) {
    (void)exchange_->send(error.has_value() ? writer_->error(*error) : writer_->end(end_facts()));
    exchange_->end_stream();
  } else if (error.has_value()) {
    constexpr int64_t kRetryAfterS = 2;
    const bool may_retry = error->status == 503 || error->status == 429;
    exchange_->reply(
        error_reply(*error, prepared_.endpoint, may_retry ? std::optional(kRetryAfterS) : std::nullopt));
  } else {
    Answer answer{.choices = {}, .end = end_facts()};
    for (Choice& choice : choices_) {
      choice.answer.finish = finish_of(choice);
      answer.choices.push_back(std::move(choice.answer));
    }
    exchange_->reply(json_reply(is_ollama(call.face) ? write_ollama_answer(call, head(), answer)
                                                     : write_answer(call, head(), answer)));
  }
}

AnswerHead Generation::head() const {
  return {.id = prepared_.id,
          .created_ns = prepared_.created_ns,
          .model = prepared_.call.model.empty() ? service_.facts.name : prepared_.call.model,
          .system_fingerprint = service_.facts.fingerprint};
}

ExplanationPlace Generation::explanation_place() const {
  return {.tokenizer = service_.tokenizer,
          .sharing = service_.facts.sharing,
          .known_text = service_.facts.known_text,
          .rewrites_earlier_turns = prepared_.rewrites_earlier_turns};
}

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
    end.cairn["cache"] = explanation_json(*match_, explanation_place());
  }
  return end;
}

// ---- what is remembered ----

void Generation::record(const std::optional<ApiError>& error) {
  const AnswerUsage usage = end_facts().usage;
  if (place_.has_value()) place_->set_used_tokens(usage.prompt_tokens + usage.completion_tokens);
  const bool has_text = service_.records.wants_text();
  ExplanationPlace in_the_log = explanation_place();
  if (!has_text) in_the_log.known_text = KnownText::kHidden;  // tokens are text of prompts
  const std::string reason = match_.has_value() ? explanation_words(*match_, in_the_log) : std::string();
  const auto seconds = [](uint64_t from_ns, uint64_t to_ns) {
    return static_cast<double>(to_ns - from_ns) * 1e-9;
  };
  const uint64_t now_ns = service_.clock.now_ns();
  RequestFacts facts{.id = prepared_.id,
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
  boost::json::object explanation = explanation_json(*match_, explanation_place());
  explanation["id"] = prepared_.id;
  explanation["endpoint"] = prepared_.endpoint;
  explanation["created"] = prepared_.created_ns / 1'000'000'000;
  service_.records.keep_explanation(prepared_.tenant->id, prepared_.id, std::move(explanation));
}

RequestOutcome Generation::outcome(const std::optional<ApiError>& error) const {
  if (is_gone_) return RequestOutcome::kCancelled;
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
