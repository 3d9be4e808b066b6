// ChatTurns: questions and their replies over one engine, within its context.
//
// Its session keeps the rows of earlier turns in the cache. Where the conversation no longer fits, its oldest turns are
// left out of the prompt (they stay in the conversation); a reply that meets the end of the context goes on behind
// fewer turns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/chat_engine.h"
#include "cli/chat_settings.h"
#include "cli/reply.h"
#include "text/conversation.h"

namespace cairn {

class ChatTurns {
 public:
  struct Place {
    ChatEngine& chat;
    Console& console;
    const Interrupt& interrupt;  // ends a reply when raised
  };
  // The place must outlive it. `explained`: each prompt's match with the cache is, where the cache shares so.
  ChatTurns(const Place& place, Conversation conversation, ChatSettings settings,
            std::optional<PrefixSharing> explained);

  [[nodiscard]] Conversation& conversation() { return conversation_; }
  [[nodiscard]] const ChatSettings& settings() const { return settings_; }
  // As change_setting; also "template-var NAME=VALUE".
  Status set(std::string_view text);
  // All settings, one a line.
  [[nodiscard]] std::string describe_settings() const { return cairn::describe_settings(settings_); }

  // A question and its reply, which is written to the console while it comes. An error, or a reply that was stopped
  // before it began, leaves the conversation as it was.
  Status say(std::string_view question);
  // Another reply in place of the last one, or the first reply to the last question. kInvalidArgument: there is none.
  Status again();
  // ChatEngine::go_endless, with a word of what it means.
  Status go_endless();
  // The last reply's statistics, and how full the context is.
  [[nodiscard]] std::string describe_state() const;

 private:
  Result<Reply> reply();
  // `begun_count` tokens of the reply are behind the prompt already.
  Result<Reply> reply_part(std::vector<TokenId> prompt, int64_t begun_count);
  Result<std::vector<TokenId>> fitting_prompt(std::span<const TokenId> begun);
  Result<bool> finish_turn(const Result<Reply>& reply);

  [[nodiscard]] Engine& engine() const { return place_.chat.engine(); }
  [[nodiscard]] ReplyPlace reply_place() const { return {engine(), place_.console, place_.interrupt}; }
  [[nodiscard]] std::string offer() const;
  [[nodiscard]] std::string offer_once();

  Place place_;
  Conversation conversation_;
  ChatSettings settings_;
  std::optional<PrefixSharing> explained_;
  bool has_offered_ = false;
  uint64_t sample_index_ = 0;  // other randomness for each /again
  std::string last_statistics_;
};

}  // namespace cairn
