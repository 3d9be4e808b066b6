#include "text/conversation_start.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "text/named_templates.h"

namespace cairn {
namespace {

constexpr std::string_view kPlain = "plain";
constexpr const char* kOtherTemplates = "`chat_template` names another";
constexpr size_t kLongestReason = 400;  // characters: a template may say anything
constexpr const char* kPlainLines = "turns are written as \"User: ...\" and \"Assistant: ...\" lines";

ChatForm form_of(const NamedTemplate& named) {
  return {std::string(named.source), std::string(named.end_of_turn)};
}

// A conversation in this form, with notes where the system message has no place of its own and of variables that it
// does not read.
Result<StartedConversation> start_in(const Tokenizer& tokenizer, const ConversationStart& start,
                                     const ChatForm& form) {
  CAIRN_ASSIGN_OR_RETURN(Conversation conversation,
                         Conversation::create(tokenizer, {.chat_template = form.source,
                                                          .end_of_turn = form.end_of_turn,
                                                          .variables = start.variables,
                                                          .now = start.now}));
  std::vector<std::string> notes;
  for (const auto& [name, value] : start.variables) {
    if (!conversation.reads_variable(name)) notes.push_back(unread_variable(name));
  }
  if (start.system.has_value()) {
    CAIRN_RETURN_IF_ERROR(conversation.set_system(start.system));
    if (conversation.system_place() == SystemPlace::kFirstQuestion) {
      notes.emplace_back(kSystemInFirstQuestion);
    }
  }
  return StartedConversation{std::move(conversation), std::move(notes)};
}

}  // namespace

std::string unread_variable(std::string_view name) {
  return fmt::format("the chat template does not read a variable '{}'", printable(name));
}

std::vector<std::string> chat_form_names() {
  std::vector<std::string> names{std::string(kPlain)};
  for (const NamedTemplate& each : named_templates()) names.emplace_back(each.name);
  return names;
}

std::optional<ChatForm> find_chat_form(std::string_view name) {
  if (name == kPlain) return ChatForm{};
  const auto named = find_named_template(name);
  return named.has_value() ? std::optional(form_of(*named)) : std::nullopt;
}

Status try_forms(const std::optional<std::string>& model_template, const std::optional<ChatForm>& chosen,
                 const std::function<Status(const ChatForm&)>& make, std::vector<std::string>& notes) {
  if (chosen.has_value()) {
    const Status status = make(*chosen);
    return status.ok() ? status : invalid_argument("`chat_template`: " + status.message());
  }
  if (!model_template.has_value()) {
    notes.push_back(fmt::format("this model has no chat template: {}; {}", kPlainLines, kOtherTemplates));
    return make({});
  }
  const Status own = make({model_template, std::nullopt});
  if (own.ok()) return own;
  const auto note = [&](const std::string& instead) {
    notes.push_back(fmt::format("the model's chat template does not run: {}; {}; {}",
                                printable(own.message(), kLongestReason), instead, kOtherTemplates));
  };
  const auto named = named_template_like(*model_template);
  if (named.has_value() && make(form_of(*named)).ok()) {
    note(fmt::format("turns are written as in {}", named->name));
    return {};
  }
  note(kPlainLines);
  return make({});
}

Result<StartedConversation> start_conversation(const Tokenizer& tokenizer, const ConversationStart& start) {
  std::optional<StartedConversation> made;
  std::vector<std::string> notes;
  const auto make = [&](const ChatForm& form) -> Status {
    CAIRN_ASSIGN_OR_RETURN(made, start_in(tokenizer, start, form));
    return {};
  };
  CAIRN_RETURN_IF_ERROR(try_forms(start.model_template, start.chosen, make, notes));
  made->notes.insert(made->notes.end(), notes.begin(), notes.end());
  return std::move(*made);
}

}  // namespace cairn
