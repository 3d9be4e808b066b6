#include "text/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>

namespace cairn {
namespace {

// Stands, twice around a number, for a control token's name in a message. A character for private use, which
// no template touches; one that is typed is taken out.
constexpr std::string_view kMark = "\xF4\x8F\xBF\xBD";  // U+10FFFD

constexpr const char* kUserLine = "\nUser:";

// The longest first.
std::vector<std::string> control_names(const Tokenizer& tokenizer) {
  std::vector<std::string> names;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.is_special(id) && !tokenizer.token_text(id).empty())
      names.emplace_back(tokenizer.token_text(id));
  }
  std::ranges::stable_sort(names, std::ranges::greater(), &std::string::size);
  return names;
}

// Also those that come to be where one between their bytes has gone.
void remove_marks(std::string& text) {
  for (size_t at = text.find(kMark); at != std::string::npos;) {
    text.erase(at, kMark.size());
    at = text.find(kMark, at - std::min(at, kMark.size() - 1));
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

bool adds_bos(const Tokenizer& tokenizer) {
  const auto tokens = tokenizer.encode("a");
  return tokenizer.bos().has_value() && tokens.ok() && !tokens->empty() &&
         tokens->front() == *tokenizer.bos();
}

Conversation::Conversation(const Tokenizer& tokenizer, const ConversationOptions& options)
    : tokenizer_(tokenizer),
      end_of_turn_(options.end_of_turn),
      control_names_(control_names(tokenizer)),
      adds_bos_(adds_bos(tokenizer)) {
  for (const std::string& name : control_names_) {
    if (control_begins_.find(name.front()) == std::string::npos) control_begins_ += name.front();
  }
  const auto name_of = [&](std::optional<TokenId> id) -> std::optional<std::string> {
    if (!id.has_value()) return std::nullopt;
    return std::string(tokenizer.token_text(*id));
  };
  template_options_ = {.bos_token = name_of(tokenizer.bos()),
                       .eos_token = name_of(tokenizer.eos()),
                       .now = options.now,
                       .variables = options.variables};
}

Result<Conversation> Conversation::create(const Tokenizer& tokenizer, const ConversationOptions& options) {
  Conversation conversation(tokenizer, options);
  if (options.chat_template.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(conversation.template_, ChatTemplate::parse(*options.chat_template));
  }
  for (const auto& [name, value] : options.variables)
    CAIRN_RETURN_IF_ERROR(ChatTemplate::check_variable_name(name));
  if (options.system.has_value()) {
    conversation.system_ = options.system;
    conversation.marked_system_ = conversation.marked(*options.system);
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
  if (!has_template()) return {kUserLine};
  return end_of_turn_.has_value() ? std::vector<std::string>{*end_of_turn_} : std::vector<std::string>();
}

std::string Conversation::marked(std::string_view text) {
  std::string content(text);
  remove_marks(content);
  std::string out;
  for (std::string_view rest = content; !rest.empty();) {
    const size_t begin = std::min(rest.find_first_of(control_begins_), rest.size());
    out += rest.substr(0, begin);
    rest.remove_prefix(begin);
    const auto begins = [&](const std::string& name) { return rest.starts_with(name); };
    const auto name = std::ranges::find_if(control_names_, begins);
    if (name != control_names_.end()) {
      out += fmt::format("{0}{1}{0}", kMark, marked_names_.size());
      marked_names_.push_back(*name);
      rest.remove_prefix(name->size());
    } else if (!rest.empty()) {
      out += rest.front();
      rest.remove_prefix(1);
    }
  }
  return out;
}

void Conversation::add(const std::string& role, std::string_view text) {
  // Both or none, where there is no memory.
  std::string as_marked = marked(text);
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
  next.marked_system_ = text.has_value() ? next.marked(*text) : std::string();
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

std::string Conversation::plain_lines() const {
  std::string text;
  for (const ChatMessage& message : sent_messages()) {
    if (message.role == "system") text += message.content + "\n\n";
    if (message.role == "user") text += "User: " + message.content + "\n";
    if (message.role == "assistant") text += "Assistant: " + message.content + "\n";
  }
  return text + "Assistant:";
}

Result<std::string> Conversation::render() const {
  if (!has_template()) return plain_lines();
  return template_->render(sent_messages(), template_options_);
}

// A template that cuts messages into pieces may cut a mark too; the rest of it stands for no name.
std::string_view Conversation::name_of_mark(size_t index) const {
  return index < marked_names_.size() ? std::string_view(marked_names_[index]) : std::string_view();
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
  std::vector<TokenId> tokens;
  const auto append = [&](std::string_view text, SpecialText special) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const auto ids,
                           tokenizer_.encode(text, {.bos_eos = BosEos::kNone, .special_text = special}));
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    return {};
  };
  CAIRN_RETURN_IF_ERROR(walk_marks(
      marked, [&](std::string_view part) { return append(part, in_template); },
      [&](size_t index) { return append(name_of_mark(index), SpecialText::kLiteral); }));
  const bool begins_with_bos = !tokens.empty() && tokens.front() == tokenizer_.bos();
  if (adds_bos_ && !begins_with_bos) tokens.insert(tokens.begin(), *tokenizer_.bos());
  return tokens;
}

}  // namespace cairn
