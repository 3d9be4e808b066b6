// ChatPrompter: turns with tool calls, and tools, to the token ids that prompt a model for its next turn.
//
// Made once for a model. Always true: it is immutable and cheap to copy, so one may serve any number of threads; it reads
// no clock and prints nothing. No word of a turn, of a tool or of its description, nor of a prompt's own variables, becomes
// a control token (ChatPrompterOptions::variables are the operator's, and the template reads them as they are); a prompt
// begins with one BOS where the tokenizer adds one. Its own work is linear in the text, and a template's is bounded.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/chat_message.h"
#include "cairn/ids.h"
#include "cairn/status.h"
#include "text/conversation_start.h"
#include "text/reply/chat_turn.h"
#include "text/reply/reply_format.h"
#include "text/tokenizer.h"

namespace cairn {

struct ChatPrompterOptions {
  std::optional<std::string> model_template;  // what the model brings
  std::optional<ChatForm> chosen;             // in place of it
  // For every prompt; those of ChatPromptSettings come in place of ones with the same name.
  std::vector<std::pair<std::string, TemplateVariable>> variables;
};

struct ChatPromptSettings {
  std::vector<std::pair<std::string, TemplateVariable>> variables;
  std::optional<CivilTime> now;  // absent: a template that must name the date names 26 July 2024
};

// Where a reply begins: what the prompt has already opened.
enum class ReplyBeginning : uint8_t {
  kStart,      // nothing: the reply may open its reasoning, a call, a channel
  kReasoning,  // the prompt ends inside the reasoning ("<think>\n")
  kContent     // the prompt ends inside the content: an assistant's turn that is gone on with
};

struct ReplyPrompt {
  std::vector<TokenId> tokens;
  std::string text;  // as `tokens` were made of it; without the BOS that the tokenizer adds
  std::vector<std::string> stop_strings;  // where a reply must end besides the end tokens
  ReplyBeginning reply_begins = ReplyBeginning::kStart;
};

class ChatPrompter {
 public:
  // Where the model's own template does not run, the named one that it resembles is used, else plain lines, and a note
  // says so. What was chosen is used or is an error: kInvalidArgument.
  static Result<ChatPrompter> create(const Tokenizer& tokenizer, const ChatPrompterOptions& options);

  // Up to where the assistant speaks next. A last turn of the assistant's without calls is gone on with: the prompt ends
  // behind its content. Leading system (and developer) turns are joined to one; where the template has no place for
  // it, it goes into the first question.
  // kInvalidArgument: no turns, an unknown role, arguments that are no JSON object, tools for a template that has none,
  // what the template itself refuses (in its words), text that is not UTF-8.
  [[nodiscard]] Result<ReplyPrompt> prompt(std::span<const ChatTurn> turns, std::span<const ToolSpec> tools,
                                           const ChatPromptSettings& settings = {}) const;

  [[nodiscard]] const ReplyFormat& format() const;
  [[nodiscard]] bool takes_tools() const;
  [[nodiscard]] bool has_template() const;
  [[nodiscard]] bool reads_variable(std::string_view name) const;
  // What is not as the model's maker wrote it; a sentence each, without a full stop.
  [[nodiscard]] std::span<const std::string> notes() const;

 private:
  struct Impl;
  explicit ChatPrompter(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  std::shared_ptr<const Impl> impl_;
};

}  // namespace cairn
