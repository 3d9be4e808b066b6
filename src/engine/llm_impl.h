// Llm::Impl: what is behind the library's face. For llm*.cc and chat_session.cc only.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "cairn/llm.h"
#include "engine/engine.h"
#include "model/model.h"
#include "text/conversation_start.h"

namespace cairn {

// A request of the caller's, until its last sample has ended.
struct AskedOfLlm {
  TextRequest request;
  RequestId id;
  std::vector<std::optional<RequestId>> samples;  // of the engine; absent: ended
  int64_t unfinished = 0;
};

struct Llm::Impl {
  using Asked = AskedOfLlm;
  ~Impl() { is_closing = true; }

  bool is_closing = false;  // what callbacks own may call this while the engine destroys them
  std::unique_ptr<ThreadPool> threads;
  std::shared_ptr<const Model> model;
  std::unique_ptr<Engine> engine;
  ModelFacts facts;
  MemoryPlan memory_plan;
  std::vector<std::shared_ptr<Asked>> live;

  // These may throw, and then have changed nothing.
  static Result<std::unique_ptr<Impl>> open(const std::string& path, const LlmOptions& options);
  Result<RequestId> submit(TextRequest request);
  Result<std::vector<Beam>> search_beams(TextRequest request, const BeamOptions& options);
  // With this prompt, in place of the request's.
  Result<RequestId> submit_prompt(TextRequest request, std::vector<TokenId> prompt,
                                  std::optional<SessionId> session);
  Result<RequestId> fork(RequestId parent, TextRequest request);
  // After this, one more request can be noted without memory.
  void make_room_for_one();

  [[nodiscard]] Result<StartedConversation> start_conversation(
      const ChatPromptOptions& options, const std::optional<std::string>& system = std::nullopt) const;
  [[nodiscard]] Result<ChatPrompt> chat_prompt(std::span<const ChatMessage> messages,
                                               const ChatPromptOptions& options) const;
  // A first message of the system's becomes the conversation's system message.
  static Status set_messages(std::span<const ChatMessage> messages, Conversation& conversation);

  [[nodiscard]] Result<std::vector<TokenId>> prompt_of(const TextRequest& request) const;
  [[nodiscard]] Result<std::vector<TokenId>> prompt_tokens(const TextRequest& request, BosEos bos_eos) const;
  Request engine_request(const std::shared_ptr<Asked>& asked, int64_t sample, std::vector<TokenId> prompt);
  [[nodiscard]] std::shared_ptr<Asked> find(RequestId id) const;
  void finish(Asked& asked, int64_t sample, const RequestResult& result);
};

}  // namespace cairn
