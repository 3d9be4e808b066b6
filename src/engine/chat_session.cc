#include "cairn/chat_session.h"

#include <iterator>
#include <utility>

#include "base/no_throw.h"
#include "engine/llm_impl.h"
#include "text/fit_prompt.h"

namespace cairn {
namespace {

Status check_reply(const TextRequest& reply) {
  if (!std::visit([](const auto& prompt) { return prompt.empty(); }, reply.prompt) || !reply.salt.empty()) {
    return invalid_argument("a reply has the session's prompt and salt: leave its own empty");
  }
  if (reply.sample_count != 1) return invalid_argument("a reply is one text: sample_count must be 1");
  return {};
}

}  // namespace

struct ChatSession::State {
  Llm::Impl* llm = nullptr;
  Conversation conversation;
  std::vector<std::string> notes;
  WhenFull when_full = WhenFull::kDropOldest;
  std::string salt;
  SessionId session;
  bool is_answering = false;
  std::string reply;  // the text so far

  // May throw, and then has changed nothing.
  static Result<RequestId> ask(const std::shared_ptr<State>& state, std::string_view question,
                               TextRequest request);
  // The turn becomes a part of the conversation, or is taken back.
  Status settle(FinishReason reason);
  [[nodiscard]] Status refuse_while_answering() const;
};

Status ChatSession::State::refuse_while_answering() const {
  if (!is_answering) return {};
  return invalid_argument("a turn of this session runs: wait for its end, or cancel it");
}

Status ChatSession::State::settle(FinishReason reason) {
  is_answering = false;
  const bool has_failed = reason == FinishReason::kError || reason == FinishReason::kCancelled;
  const bool is_kept = !has_failed || !reply.empty();
  Status status = no_throw([&]() -> Status {
    if (is_kept) conversation.add_assistant(reply);
    return {};
  });
  if (!is_kept || !status.ok()) conversation.drop_last();
  reply.clear();
  return status;
}

Result<RequestId> ChatSession::State::ask(const std::shared_ptr<State>& state, std::string_view question,
                                          TextRequest request) {
  CAIRN_RETURN_IF_ERROR(state->refuse_while_answering());
  CAIRN_RETURN_IF_ERROR(check_reply(request));
  Conversation next = state->conversation;
  next.add_user(question);
  CAIRN_ASSIGN_OR_RETURN(std::vector<TokenId> prompt, fit_prompt({.context = state->llm->engine->context(),
                                                                  .max_tokens = request.max_tokens,
                                                                  .when_full = state->when_full},
                                                                 next));
  for (std::string& stop : next.stop_strings()) request.stop_strings.push_back(std::move(stop));
  request.salt = state->salt;
  request.on_text = [state, on_text = std::move(request.on_text)](int64_t sample, std::string_view text) {
    state->reply += text;
    if (on_text) on_text(sample, text);
  };
  request.on_finish = [state, on_finish = std::move(request.on_finish)](int64_t sample,
                                                                        const TextResult& result) {
    TextResult told{.reason = result.reason,
                    .status = no_throw([&result] { return result.status; }),
                    .prompt_tokens = result.prompt_tokens,
                    .reused_tokens = result.reused_tokens,
                    .generated_tokens = result.generated_tokens};
    if (Status status = state->settle(result.reason); !status.ok()) {
      told.reason = FinishReason::kError;
      told.status = std::move(status);
    }
    if (on_finish) on_finish(sample, told);
  };
  CAIRN_ASSIGN_OR_RETURN(const RequestId id,
                         state->llm->submit_prompt(std::move(request), std::move(prompt), state->session));
  state->conversation = std::move(next);
  state->is_answering = true;
  return id;
}

Result<ChatSession> ChatSession::start(Llm& llm, const ChatSessionOptions& options) {
  return no_throw([&]() -> Result<ChatSession> {
    Llm::Impl& impl = *llm.impl_;
    if (impl.is_closing) return invalid_argument("this Llm is being destroyed");
    CAIRN_ASSIGN_OR_RETURN(StartedConversation started,
                           impl.start_conversation(options.prompt, options.system));
    auto state = std::make_shared<State>(State{.llm = &impl,
                                               .conversation = std::move(started.conversation),
                                               .notes = std::move(started.notes),
                                               .when_full = options.when_full,
                                               .salt = options.salt,
                                               .session = {},
                                               .reply = {}});
    CAIRN_ASSIGN_OR_RETURN(state->session, impl.engine->open_session());
    return ChatSession(std::move(state));
  });
}

ChatSession::ChatSession(std::shared_ptr<State> state) : state_(std::move(state)) {}
ChatSession::~ChatSession() { close(); }
ChatSession::ChatSession(ChatSession&&) noexcept = default;
ChatSession& ChatSession::operator=(ChatSession&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}

void ChatSession::close() {
  if (state_ != nullptr && !state_->llm->is_closing) state_->llm->engine->close_session(state_->session);
}

std::span<const std::string> ChatSession::notes() const { return state_->notes; }

Result<RequestId> ChatSession::ask(std::string_view question, TextRequest reply) {
  return no_throw([&] { return State::ask(state_, question, std::move(reply)); });
}

bool ChatSession::is_answering() const { return state_->is_answering; }
std::span<const ChatMessage> ChatSession::messages() const { return state_->conversation.messages(); }
int64_t ChatSession::dropped_message_count() const {
  return static_cast<int64_t>(state_->conversation.forgotten_message_count());
}

Status ChatSession::undo() {
  return no_throw([&]() -> Status {
    CAIRN_RETURN_IF_ERROR(state_->refuse_while_answering());
    state_->conversation.undo();
    return {};
  });
}

Status ChatSession::reset() {
  return no_throw([&]() -> Status {
    CAIRN_RETURN_IF_ERROR(state_->refuse_while_answering());
    state_->conversation.reset();
    return {};
  });
}

Status ChatSession::set_messages(std::span<const ChatMessage> messages) {
  return no_throw([&]() -> Status {
    CAIRN_RETURN_IF_ERROR(state_->refuse_while_answering());
    return Llm::Impl::set_messages(messages, state_->conversation);
  });
}

}  // namespace cairn
