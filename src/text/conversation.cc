#include "text/conversation.h"

#include <algorithm>
#include <iterator>

#include "text/plain_lines.h"

namespace cairn {
namespace {

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
}

}  // namespace

Conversation::Conversation(const Tokenizer& tokenizer, const ConversationOptions& options)
    : marks_(tokenizer),
      template_options_({.bos_token = name_of(tokenizer, tokenizer.bos()),
                         .eos_token = name_of(tokenizer, tokenizer.eos()),
                         .now = options.now,
                         .variables = options.variables}),
      end_of_turn_(options.end_of_turn) {}

Result<Conversation> Conversation::create(const Tokenizer& tokenizer, const ConversationOptions& options) {
  Conversation conversation(tokenizer, options);
  if (options.chat_template.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(conversation.template_, ChatTemplate::parse(*options.chat_template));
  }
  for (const auto& [name, value] : options.variables)
    CAIRN_RETURN_IF_ERROR(ChatTemplate::check_variable_name(name));
  if (options.system.has_value()) {
    conversation.system_ = options.system;
    conversation.marked_system_ = conversation.marks_.mark(*options.system);
  }
  CAIRN_RETURN_IF_ERROR(conversation.try_two_turns());
  return conversation;
}

// A template that cannot do this fails now, not after the first question. All messages go.
Status Conversation::try_two_turns() {
  reset();
  add_user("Hello");
  Status status = prompt().status();
  add_assistant("Hello");
  add_user("Hello");
  if (status.ok()) status = prompt().status();
  reset();
  return status;
}

std::vector<std::string> Conversation::stop_strings() const {
  if (!has_template()) return {std::string(kPlainUserLine)};
  return end_of_turn_.has_value() ? std::vector<std::string>{*end_of_turn_} : std::vector<std::string>();
}

void Conversation::add(const std::string& role, std::string_view text) {
  // Both or none, where there is no memory.
  std::string as_marked = marks_.mark(text);
  ChatMessage message{role, std::string(text)};
  marked_texts_.reserve(marked_texts_.size() + 1);
  messages_.reserve(messages_.size() + 1);
  marked_texts_.push_back(std::move(as_marked));
  messages_.push_back(std::move(message));
}

void Conversation::add_user(std::string_view text) { add("user", text); }
void Conversation::add_assistant(std::string_view text) { add("assistant", trimmed(text)); }

void Conversation::drop_last() {
  messages_.pop_back();
  marked_texts_.pop_back();
  first_sent_ = std::min(first_sent_, messages_.size());
}

std::optional<std::string> Conversation::undo() {
  const auto question = std::find_if(messages_.rbegin(), messages_.rend(),
                                     [](const ChatMessage& m) { return m.role == "user"; });
  if (question == messages_.rend()) return std::nullopt;
  std::string text = question->content;
  messages_.erase(std::prev(question.base()), messages_.end());
  marked_texts_.resize(messages_.size());
  first_sent_ = 0;  // there may be room for older turns again
  return text;
}

void Conversation::reset() {
  messages_.clear();
  marked_texts_.clear();
  first_sent_ = 0;
}

// Some templates skip a system message without a word.
bool Conversation::writes_system() const {
  if (!system_.has_value()) return true;
  Conversation one = *this;
  one.reset();
  one.add_user("Hello");
  Conversation other = one;
  other.marked_system_ += '.';
  const auto text = one.render();
  const auto other_text = other.render();
  return text.ok() && other_text.ok() && *text != *other_text;
}

Status Conversation::set_system(const std::optional<std::string>& text) {
  Conversation next = *this;
  next.system_ = text;
  next.marked_system_ = text.has_value() ? next.marks_.mark(*text) : std::string();
  Status status;
  for (const SystemPlace place : {SystemPlace::kOwnMessage, SystemPlace::kFirstQuestion}) {
    next.system_place_ = place;
    Conversation tried = next;
    const Status here = tried.try_two_turns();
    if (status.ok()) status = here;
    if (!here.ok() || (place == SystemPlace::kOwnMessage && !next.writes_system())) continue;
    *this = std::move(next);
    return {};
  }
  return status;
}

bool Conversation::reads_variable(std::string_view name) const {
  return has_template() && template_->mentions(name);
}

Status Conversation::set_variable(const std::string& name, const TemplateVariable& value) {
  CAIRN_RETURN_IF_ERROR(ChatTemplate::check_variable_name(name));
  Conversation next = *this;
  std::erase_if(next.template_options_.variables, [&](const auto& each) { return each.first == name; });
  next.template_options_.variables.emplace_back(name, value);
  Conversation tried = next;
  CAIRN_RETURN_IF_ERROR(tried.try_two_turns());
  *this = std::move(next);
  return {};
}

Status Conversation::set_messages(const std::optional<std::string>& system,
                                  const std::vector<ChatMessage>& messages) {
  Conversation next = *this;
  next.reset();
  CAIRN_RETURN_IF_ERROR(next.set_system(system));
  for (const ChatMessage& message : messages) next.add(message.role, message.content);
  if (!messages.empty()) CAIRN_RETURN_IF_ERROR(next.prompt().status());
  *this = std::move(next);
  return {};
}

bool Conversation::forget_oldest_turn() {
  size_t at = first_sent_ + 1;
  while (at < messages_.size() && messages_[at].role != "user") ++at;
  if (at >= messages_.size()) return false;
  first_sent_ = at;
  return true;
}

// What the template sees: marked texts.
std::vector<ChatMessage> Conversation::sent_messages() const {
  std::vector<ChatMessage> sent;
  std::string before;
  if (system_.has_value() && system_place_ == SystemPlace::kOwnMessage)
    sent.push_back({"system", marked_system_});
  if (system_.has_value() && system_place_ == SystemPlace::kFirstQuestion) before = marked_system_ + "\n\n";
  for (size_t i = first_sent_; i < messages_.size(); ++i) {
    const bool takes_system = messages_[i].role == "user";
    sent.push_back({messages_[i].role, (takes_system ? before : "") + marked_texts_[i]});
    if (takes_system) before.clear();
  }
  return sent;
}

Result<std::string> Conversation::render() const {
  if (!has_template()) return plain_lines(sent_messages());
  return template_->render(sent_messages(), template_options_);
}

Result<std::string> Conversation::prompt_text() const {
  CAIRN_ASSIGN_OR_RETURN(const std::string marked, render());
  return marks_.unmark(marked);
}

Result<std::vector<TokenId>> Conversation::prompt() const {
  CAIRN_ASSIGN_OR_RETURN(const std::string marked, render());
  return marks_.encode(marked, has_template() ? SpecialText::kParsed : SpecialText::kLiteral);
}

}  // namespace cairn
