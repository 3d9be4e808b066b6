// Generation: one call on its way: its texts in the engine, and what of them goes to the client, at once or as it comes.
//
// Always true: the client gets exactly one reply, whole or streamed, unless it goes away first; then all texts of the call
// are cancelled, and their blocks are free within a step. What is read of a text depends on nothing but the text.
// Listeners of different texts are called by several threads: everything here happens under one lock.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/choice_report.h"
#include "server/http/exchange.h"
#include "server/openai/stream.h"
#include "server/service.h"
#include "text/reply/reply_reader.h"

namespace cairn {

// A call that was looked at and may begin.
struct PreparedCall {
  TextCall call;
  std::string id;
  TenantRef tenant;
  std::string endpoint;  // "/v1/chat/completions"
  uint64_t arrived_ns = 0;
  int64_t created_ns = 0;  // Unix time
  std::vector<std::vector<TokenId>> prompts;
  std::vector<std::string> prompt_texts;  // what `echo` repeats, and a log that asks for it
  std::vector<std::string> stop_strings;  // the call's, and the template's
  std::shared_ptr<const Guide> guide;     // null: free text
  ReplyFormat format;                     // of a chat's reply; plain for other texts
  ReplyReaderOptions reading;
  bool rewrites_earlier_turns = false;

  [[nodiscard]] size_t choice_count() const { return prompts.size() * static_cast<size_t>(call.n); }
};

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  // Submits all texts and answers the exchange, also where the engine refuses them.
  static void start(const Service& service, std::shared_ptr<HttpExchange> exchange, PreparedCall prepared,
                    Access::Place place);

 private:
  struct Choice {
    explicit Choice(ReplyReader made) : reader(std::move(made)) {}
    ReplyReader reader;
    AnswerChoice answer;                 // what was sent or kept; of a stream, the calls' names and ids only
    std::vector<TokenLogprob> logprobs;  // of tokens whose text has not come yet
    ReplyPartKind kind = ReplyPartKind::kContent;  // of the last part
    bool has_echoed = false;
    RequestResult result;
    bool has_ended = false;  // only then has it a result
    int64_t reasoning_tokens = 0;
  };

  Generation(const Service& service, std::shared_ptr<HttpExchange> exchange, PreparedCall prepared,
             Access::Place place);
  void begin();
  Status submit();
  Status submit_prompt(size_t prompt);
  [[nodiscard]] Request request_for(size_t prompt, int64_t sample);
  void listen(Request& request, size_t choice);
  void begin_stream();

  // Runs what a listener does; where there is no memory for it, the call is given up.
  template <typename Function>
  void guarded(Function function);
  // What the engine reports of a choice.
  void on_begin(const RequestStats& stats);
  void on_prompt_logits(size_t choice, int64_t position, std::span<const float> logits);
  void on_choice(size_t choice, const TokenChoice& picked);
  void on_token(size_t choice);
  void on_text(size_t choice, std::string_view text);
  void on_finish(size_t choice, const RequestResult& result);

  [[nodiscard]] int64_t tokens_that_fit(size_t prompt) const;
  [[nodiscard]] bool scores_prompt() const;
  void fit_to_text(size_t prompt, std::vector<TokenLogprob>& logprobs) const;
  [[nodiscard]] TokenLogprob logprob_of(const TokenChoice& picked) const;
  void echo_prompt(size_t choice);
  void emit(size_t choice, const std::vector<ReplyPart>& parts);
  void send(const StreamPiece& piece);
  void keep(const StreamPiece& piece);
  [[nodiscard]] AnswerFinish finish_of(const Choice& choice) const;
  [[nodiscard]] std::optional<ApiError> failure() const;
  [[nodiscard]] bool has_ended_by(FinishReason reason) const;
  [[nodiscard]] bool is_ended_by_stop() const;
  void give_up(ApiError error);
  void client_is_gone();
  void cancel_all();
  void finish_all();
  [[nodiscard]] AnswerHead head() const;
  [[nodiscard]] AnswerEnd end_facts() const;

  // generation_record.cc
  void record(const std::optional<ApiError>& error);
  void keep_for_log(const StreamPiece& piece);
  [[nodiscard]] RequestOutcome outcome(const std::optional<ApiError>& error) const;

  const Service& service_;
  const std::shared_ptr<HttpExchange> exchange_;
  const PreparedCall prepared_;
  std::optional<Access::Place> place_;

  std::mutex mutex_;  // guards all below
  std::vector<EngineThread::Ticket> tickets_;
  std::vector<Choice> choices_;
  std::unique_ptr<StreamWriter> writer_;  // of a reply that is streamed
  ChoiceReport prompt_report_;            // of an echoed prompt's chances
  std::optional<KvMatchReport> match_;    // of the first text that began
  uint64_t first_token_ns_ = 0;
  size_t kept_bytes_ = 0;
  size_t ended_count_ = 0;
  std::optional<ApiError> refusal_;  // why the texts, or the rest of them, were given up
  bool is_gone_ = false;             // the client
};

}  // namespace cairn
