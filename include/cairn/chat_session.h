// ChatSession: a conversation with a model, whose rows stay in the cache from turn to turn.
//
//   auto chat = cairn::ChatSession::start(*llm, {.system = "Answer briefly."});
//   chat->ask("Who are you?", {.on_text = print});
//   llm->run();
//
// Each turn's prompt is the whole conversation, written by the chat template; what of it the cache has is not computed
// again. A conversation that outgrows the context loses its oldest turns from the prompt, not from messages(). The
// user's words never become control tokens: an "<|im_end|>" in a question stays plain characters.
//
// Threads and callbacks: those of its Llm, which must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/chat_message.h"
#include "cairn/llm.h"
#include "cairn/status.h"

namespace cairn {

struct ChatSessionOptions {
  ChatPromptOptions prompt = {};
  std::optional<std::string> system = {};  // where the template has no place for it: in the first question
  WhenFull when_full = WhenFull::kDropOldest;
  std::string salt = {};  // as TextRequest::salt
};

class ChatSession {
 public:
  // kInvalidArgument: the chosen template does not run, or the text is not UTF-8; kResourceExhausted: no memory.
  static Result<ChatSession> start(Llm& llm, const ChatSessionOptions& options = {});
  // A turn that runs goes on without it, and calls back as before; it can be cancelled.
  ~ChatSession();
  // One that was moved from may only be destroyed or assigned to.
  ChatSession(ChatSession&&) noexcept;
  ChatSession& operator=(ChatSession&&) noexcept;

  // What of the model's template could not be used as it is: a sentence each.
  [[nodiscard]] std::span<const std::string> notes() const;

  // A question; `reply` says how it is answered: its prompt and its salt must be empty, and sample_count 1. When
  // on_finish is called, the reply is in messages(), and the next question may be asked from there. Where a reply ends
  // without any text, by an error or by cancel(), the question is taken back. Errors, after which nothing has changed:
  // those of Llm::submit; kInvalidArgument: a turn runs.
  Result<RequestId> ask(std::string_view question, TextRequest reply = {});
  [[nodiscard]] bool is_answering() const;  // a turn runs

  // Questions and replies so far, those that are not sent any more included; without the system message.
  [[nodiscard]] std::span<const ChatMessage> messages() const;
  [[nodiscard]] int64_t dropped_message_count() const;  // the first of them, which are not sent any more
  // These change nothing, and return kInvalidArgument, while a turn runs.
  Status undo();   // the last question and its reply go; nothing to undo is no error
  Status reset();  // all messages go; the system message stays
  // In place of all messages; a first one of role "system" replaces the system message. kInvalidArgument: the template
  // refuses them.
  Status set_messages(std::span<const ChatMessage> messages);

 private:
  struct State;
  explicit ChatSession(std::shared_ptr<State> state);
  void close();
  std::shared_ptr<State> state_;
};

}  // namespace cairn
