#include "cli/conversation.h"

#include <fmt/format.h>

#include <charconv>

namespace cairn {
namespace {

// Stands, twice around a number, for a control token's name in a message. A character for private use, which
// no template touches; one that is typed is taken out.
constexpr std::string_view kMark = "\xF4\x8F\xBF\xBD";  // U+10FFFD

constexpr const char* kUserLine = "\nUser:";

std::vector<std::string> control_names(const Tokenizer& tokenizer) {
  std::vector<std::string> names;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.is_special(id) && !tokenizer.token_text(id).empty())
      names.emplace_back(tokenizer.token_text(id));
  }
  return names;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
}

// Calls text(part) and name(index) in the order in which they stand in `marked`.
template <typename Text, typename Name>
Status walk_marks(std::string_view marked, const Text& text, const Name& name) {
  while (true) {
    const size_t begin = marked.find(kMark);
    if (begin != 0) CAIRN_RETURN_IF_ERROR(text(marked.substr(0, begin)));
    if (begin == std::string_view::npos) return {};
    marked.remove_prefix(begin + kMark.size());
    const size_t end = std::min(marked.find(kMark), marked.size());
    const std::string_view number = marked.substr(0, end);
    size_t index = 0;
    std::from_chars(number.data(), number.data() + number.size(), index);
    CAIRN_RETURN_IF_ERROR(name(index));
    marked.remove_prefix(std::min(end + kMark.size(), marked.size()));
  }
}

}  // namespace

Conversation::Conversation(const Tokenizer& tokenizer, const ConversationOptions& options)
    : tokenizer_(tokenizer), system_(options.system), control_names_(control_names(tokenizer)) {
  const auto name_of = [&](std::optional<TokenId> id) -> std::optional<std::string> {
    if (!id.has_value()) return std::nullopt;
    return std::string(tokenizer.token_text(*id));
  };
  template_options_ = {
      .bos_token = name_of(tokenizer.bos()), .eos_token = name_of(tokenizer.eos()), .now = options.now};
}

Result<Conversation> Conversation::create(const Tokenizer& tokenizer, const ConversationOptions& options) {
  Conversation conversation(tokenizer, options);
  if (options.chat_template.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(conversation.template_, ChatTemplate::parse(*options.chat_template));
  }
  // A template that cannot do this fails now, not after the first question.
  conversation.reset();
  conversation.add_user("Hello");
  CAIRN_RETURN_IF_ERROR(conversation.prompt().status());
  conversation.reset();
  return conversation;
}

std::vector<std::string> Conversation::stop_strings() const {
  return has_template() ? std::vector<std::string>() : std::vector<std::string>{kUserLine};
}

void Conversation::add(const std::string& role, std::string_view text) {
  std::string content(text);
  replace_all(content, kMark, "");
  for (const std::string& name : control_names_) {
    if (content.find(name) == std::string::npos) continue;
    replace_all(content, name, fmt::format("{0}{1}{0}", kMark, marked_.size()));
    marked_.push_back(name);
  }
  messages_.push_back({role, std::move(content)});
}

void Conversation::add_user(std::string_view text) { add("user", text); }
void Conversation::add_assistant(std::string_view text) { add("assistant", trimmed(text)); }
void Conversation::drop_last() { messages_.pop_back(); }

void Conversation::reset() {
  messages_.clear();
  marked_.clear();
  if (system_.has_value()) add("system", *system_);
}

std::string Conversation::plain_lines() const {
  std::string text;
  for (const ChatMessage& message : messages_) {
    if (message.role == "system") text += message.content + "\n\n";
    if (message.role == "user") text += "User: " + message.content + "\n";
    if (message.role == "assistant") text += "Assistant: " + message.content + "\n";
  }
  return text + "Assistant:";
}

Result<std::string> Conversation::render() const {
  if (!has_template()) return plain_lines();
  return template_->render(messages_, template_options_);
}

// A template that cuts messages into pieces may cut a mark too; the rest of it stands for no name.
std::string_view Conversation::name_of_mark(size_t index) const {
  return index < marked_.size() ? std::string_view(marked_[index]) : std::string_view();
}

Result<std::string> Conversation::prompt_text() const {
  CAIRN_ASSIGN_OR_RETURN(const std::string marked, render());
  std::string whole;
  CAIRN_RETURN_IF_ERROR(walk_marks(
      marked,
      [&](std::string_view part) {
        whole += part;
        return Status();
      },
      [&](size_t index) {
        whole += name_of_mark(index);
        return Status();
      }));
  return whole;
}

// A text without marks, which is nearly all of them, is encoded in one piece.
Result<std::vector<TokenId>> Conversation::prompt() const {
  CAIRN_ASSIGN_OR_RETURN(const std::string marked, render());
  const SpecialText in_template = has_template() ? SpecialText::kParsed : SpecialText::kLiteral;
  BosEos bos = has_template() ? BosEos::kNone : BosEos::kAsModelSays;  // a template writes its own
  std::vector<TokenId> tokens;
  const auto append = [&](std::string_view text, SpecialText special) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const auto ids,
                           tokenizer_.encode(text, {.bos_eos = bos, .special_text = special}));
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    bos = BosEos::kNone;
    return {};
  };
  CAIRN_RETURN_IF_ERROR(walk_marks(
      marked, [&](std::string_view part) { return append(part, in_template); },
      [&](size_t index) { return append(name_of_mark(index), SpecialText::kLiteral); }));
  return tokens;
}

}  // namespace cairn
