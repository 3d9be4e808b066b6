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

#include "server/choice_reader.h"
#include "server/http/exchange.h"
#include "server/openai/stream.h"
#include "server/service.h"

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
  std::vector<std::string> prompt_texts;  // what `echo` repeats, and what a log that asks for it has
  std::vector<std::string> stop_strings;  // the call's and the template's
  std::shared_ptr<const Guide> guide;     // null: free text
  bool has_tools = false;
  bool starts_in_reasoning = false;
  bool rewrites_earlier_turns = false;
};

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  // Takes the place, submits all texts, and answers the exchange; also where the engine refuses them.
  static void start(const Service& service, std::shared_ptr<HttpExchange> exchange, PreparedCall prepared,
                    Access::Place place);

 private:
  struct Choice {
    std::unique_ptr<ChoiceReader> reader;
    AnswerChoice answer;
    std::vector<TokenLogprob> logprobs;  // of tokens whose text has not come yet
    bool has_ended = false;
    RequestResult result;
    int64_t token_count = 0;
    int64_t reasoning_tokens = 0;
  };

  Generation(const Service& service, std::shared_ptr<HttpExchange> exchange, PreparedCall prepared,
             Access::Place place);
  void begin();
  Status submit();
  [[nodiscard]] Request request_for(size_t prompt, int64_t sample);
  void listen(Request& request, size_t choice);
  void begin_stream();

  // What the engine reports of a choice.
  void on_begin(size_t choice, const RequestStats& stats);
  void on_prompt_logits(size_t choice, int64_t position, std::span<const float> logits);
  void on_choice(size_t choice, const TokenChoice& picked);
  void on_token(size_t choice);
  void on_text(size_t choice, std::string_view text);
  void on_finish(size_t choice, const RequestResult& result);

  void echo_prompt(size_t choice);
  void emit(size_t choice, std::vector<ReplyPart> parts);
  void send(StreamPiece piece);
  void keep(const StreamPiece& piece);
  [[nodiscard]] AnswerFinish finish_of(const Choice& choice) const;
  [[nodiscard]] std::optional<ApiError> failure() const;
  void client_is_gone();
  void cancel_all();
  void finish_all();
  void reply_whole();
  void end_stream();
  [[nodiscard]] AnswerEnd end_facts() const;
  [[nodiscard]] KvMatchReport first_match() const;
  void record(int status, const std::optional<ApiError>& error);

  const Service& service_;
  std::shared_ptr<HttpExchange> exchange_;
  PreparedCall prepared_;
  std::optional<Access::Place> place_;

  std::mutex mutex_;
  std::vector<EngineThread::Ticket> tickets_;
  std::vector<Choice> choices_;
  std::unique_ptr<StreamWriter> writer_;  // of a streamed reply
  std::unique_ptr<ChoiceReport> prompt_report_;  // of echoed prompts' chances
  std::optional<KvMatchReport> match_;
  uint64_t first_token_ns_ = 0;
  uint64_t last_token_ns_ = 0;
  size_t kept_bytes_ = 0;
  size_t ended_count_ = 0;
  bool is_gone_ = false;       // the client
  bool is_too_large_ = false;  // the reply, to be kept until its end
};

}  // namespace cairn
