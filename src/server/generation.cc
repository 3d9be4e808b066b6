#include "server/generation.h"

#include <algorithm>
#include <iterator>
#include <new>
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
    ended_count_ += choices_.size() - first;  // these will never be heard of
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
                  .max_tokens = tokens_that_fit(prompt),
                  .stop_strings = prepared_.stop_strings,
                  .end_tokens = prepared_.format.end_tokens,
                  .shown_tokens = prepared_.format.mark_tokens,
                  .salt = joined_salt(prepared_.tenant->salt, call.cache_salt),
                  .owner_tag = owner_tag_of(prepared_.tenant->salt),
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

// A text that would outgrow the memory ends by its length before it does.
int64_t Generation::tokens_that_fit(size_t prompt) const {
  const int64_t room = longest_text(service_, *prepared_.tenant) - std::ssize(prepared_.prompts[prompt]);
  return std::min(prepared_.call.max_tokens.value_or(room), room);
}

template <typename Function>
void Generation::guarded(Function function) {
  const std::lock_guard lock(mutex_);
  try {
    function();
  } catch (const std::bad_alloc&) {
    give_up(unavailable_error("out of memory: try again later"));
  }
}

void Generation::give_up(ApiError error) {
  if (!refusal_.has_value()) refusal_ = std::move(error);
  cancel_all();
}

void Generation::listen(Request& request, size_t choice) {
  const auto self = shared_from_this();
  request.on_begin = [self](const RequestStats& stats) { self->guarded([&] { self->on_begin(stats); }); };
  if (scores_prompt()) {
    request.on_logits = [self, choice](int64_t position, std::span<const float> logits) {
      self->guarded([&] { self->on_prompt_logits(choice, position, logits); });
    };
  }
  if (prepared_.call.logprobs.has_value()) {
    request.on_choice = [self, choice](const TokenChoice& picked) {
      self->guarded([&] { self->on_choice(choice, picked); });
    };
  }
  request.on_token = [self, choice](TokenId) { self->guarded([&] { self->on_token(choice); }); };
  request.on_text = [self, choice](std::string_view text) {
    self->guarded([&] { self->on_text(choice, text); });
  };
  request.on_finish = [self, choice](const RequestResult& result) {
    self->guarded([&] { self->on_finish(choice, result); });
    self->guarded([&] {
      if (++self->ended_count_ == self->choices_.size()) self->finish_all();
    });
  };
}

// ---- what the engine reports ----

void Generation::on_begin(const RequestStats& stats) {
  if (!match_.has_value()) match_ = stats.match;
}

// Of each row of the prompt but the last, whose logits pick the first token.
void Generation::on_prompt_logits(size_t choice, int64_t position, std::span<const float> logits) {
  const std::vector<TokenId>& prompt = prepared_.prompts[choice];
  if (position + 1 >= std::ssize(prompt)) return;
  const Result<TokenChoice> scored = prompt_report_.of(logits, prompt[static_cast<size_t>(position) + 1]);
  if (scored.ok()) choices_[choice].logprobs.push_back(logprob_of(*scored));
}

void Generation::on_choice(size_t choice, const TokenChoice& picked) {
  echo_prompt(choice);
  choices_[choice].logprobs.push_back(logprob_of(picked));
}

void Generation::on_token(size_t choice) {
  const uint64_t now_ns = service_.clock.now_ns();
  echo_prompt(choice);
  if (first_token_ns_ == 0) first_token_ns_ = now_ns;
  if (choices_[choice].kind == ReplyPartKind::kReasoning) ++choices_[choice].reasoning_tokens;
}

void Generation::on_text(size_t choice, std::string_view text) {
  emit(choice, choices_[choice].reader.push(text));
}

void Generation::on_finish(size_t choice, const RequestResult& result) {
  Choice& ended = choices_[choice];
  echo_prompt(choice);
  // Chances of what is no part of the text: the end token, or the tokens of a stop string.
  if (result.reason == FinishReason::kEndToken && !ended.logprobs.empty()) ended.logprobs.pop_back();
  if (result.reason == FinishReason::kStopString) ended.logprobs.clear();
  const bool is_whole = result.reason == FinishReason::kEndToken;
  emit(choice, ended.reader.flush(is_whole ? ReplyEnding::kByItself : ReplyEnding::kCut));
  if (!ended.logprobs.empty())
    send({.choice = static_cast<int64_t>(choice), .logprobs = std::exchange(ended.logprobs, {})});
  ended.result = result;
  ended.has_ended = true;
  if (!result.status.ok()) cancel_all();  // the call fails as a whole
  if (writer_ != nullptr && !failure().has_value()) {
    if (!exchange_->send(writer_->finish(static_cast<int64_t>(choice), finish_of(ended)))) cancel_all();
  }
}

// ---- to the client ----

bool Generation::scores_prompt() const { return prepared_.call.echo && prepared_.call.logprobs.has_value(); }

TokenLogprob Generation::logprob_of(const TokenChoice& picked) const {
  TokenLogprob logprob{.bytes = std::string(service_.tokenizer.token_text(picked.token)),
                       .logprob = picked.log_probability};
  bool is_among = false;
  for (const TokenProbability& likely : picked.likeliest) {
    logprob.top.push_back({std::string(service_.tokenizer.token_text(likely.token)), likely.log_probability});
    is_among = is_among || likely.token == picked.token;
  }
  // /v1/completions always lists the token itself.
  const bool is_missing =
      !is_among && !picked.likeliest.empty() && prepared_.call.face == ApiFace::kCompletions;
  if (is_missing) logprob.top.push_back({logprob.bytes, picked.log_probability});
  return logprob;
}

// The bytes of a prompt's tokens, as its text has them: no begin token, and no blank before it that the tokenizer adds.
void Generation::fit_to_text(size_t prompt, std::vector<TokenLogprob>& logprobs) const {
  const std::vector<TokenId>& tokens = prepared_.prompts[prompt];
  bool is_first = true;
  for (size_t i = 0; i < logprobs.size() && i < tokens.size(); ++i) {
    std::string& bytes = logprobs[i].bytes;
    if (service_.tokenizer.is_special(tokens[i])) {
      bytes.clear();
    } else if (std::exchange(is_first, false) && bytes.starts_with(' ') &&
               !prepared_.prompt_texts[prompt].starts_with(' ')) {
      bytes.erase(0, 1);
    }
  }
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
    fit_to_text(prompt, piece.logprobs);
  }
  send(piece);
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
  send(piece);
}

void Generation::send(const StreamPiece& piece) {
  if (piece.is_empty() || is_gone_) return;
  if (writer_ == nullptr) return keep(piece);
  if (service_.records.wants_text()) keep_for_log(piece);
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
  give_up(too_large_error(
      "the reply is too large to be kept until its end: ask for it with stream, or for less of it"));
}

void Generation::begin_stream() {
  const TextCall& call = prepared_.call;
  writer_ = is_ollama(call.face) ? make_ollama_stream(call, head()) : make_openai_stream(call, head());
  ++service_.stream_count;
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
    if (!choice.has_ended || choice.result.reason != FinishReason::kError) continue;
    // What was let in and does not fit will not fit when it is sent again.
    const Status& status = choice.result.status;
    return status.code() == StatusCode::kResourceExhausted ? context_exceeded(status.message())
                                                           : error_of(status);
  }
  // A client that is gone hears nothing; for others the server's end is no end of their texts.
  if (is_ended_by_stop()) {
    return unavailable_error("the server was stopped before the text had ended");
  }
  if (has_ended_by(FinishReason::kDeadline) && first_token_ns_ == 0) {
    return timeout_error("the request's deadline_ms passed before its first token");
  }
  return std::nullopt;
}

// Nobody else cancels the texts of a call that has neither failed nor lost its client.
bool Generation::is_ended_by_stop() const {
  return !is_gone_ && !refusal_.has_value() && !has_ended_by(FinishReason::kError) &&
         has_ended_by(FinishReason::kCancelled);
}

bool Generation::has_ended_by(FinishReason reason) const {
  return std::ranges::any_of(choices_, [reason](const Choice& choice) {
    return choice.has_ended && choice.result.reason == reason;
  });
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
    --service_.stream_count;
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

}  // namespace cairn
