#include "cli/open_conversation.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/printable.h"
#include "cli/option_values.h"
#include "text/named_templates.h"

namespace cairn {
namespace {

constexpr std::string_view kPlain = "plain";
constexpr const char* kOtherTemplates = "--chat-template names another";

struct Form {
  std::optional<std::string> source;  // absent: plain lines
  std::optional<std::string> end_of_turn;
};

Form form_of(const NamedTemplate& named) {
  return {std::string(named.source), std::string(named.end_of_turn)};
}

std::vector<std::string> template_names() {
  std::vector<std::string> names{std::string(kPlain)};
  for (const NamedTemplate& each : named_templates()) names.emplace_back(each.name);
  return names;
}

Status no_such_template(const std::string& chosen) {
  const auto names = template_names();
  std::string message = fmt::format("--chat-template: there is no file '{}', and no template of that name",
                                    printable_path(chosen));
  if (const auto nearest = nearest_name(chosen, names))
    message += fmt::format("; did you mean {}?", *nearest);
  return invalid_argument(message + fmt::format(" (names: {})", fmt::join(names, ", ")));
}

// A name first: a file of the same name can be written as ./chatml.
Result<Form> chosen_form(const std::string& chosen) {
  if (chosen == kPlain) return Form{};
  if (const auto named = find_named_template(chosen)) return form_of(*named);
  std::ifstream file(chosen, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  std::string source = std::move(text).str();
  if (!file.is_open()) return no_such_template(chosen);
  if (file.bad() || source.empty()) {
    return invalid_argument(
        fmt::format("--chat-template: the file {} cannot be read, or is empty", printable_path(chosen)));
  }
  return Form{std::move(source), std::nullopt};
}

// A conversation in this form, with a note where the system message has no place of its own.
Result<StartedConversation> start_in(const Tokenizer& tokenizer, const ConversationStart& start,
                                     const Form& form) {
  CAIRN_ASSIGN_OR_RETURN(Conversation conversation,
                         Conversation::create(tokenizer, {.chat_template = form.source,
                                                          .end_of_turn = form.end_of_turn,
                                                          .variables = start.variables,
                                                          .now = start.now}));
  std::vector<std::string> notes;
  if (start.system.has_value()) {
    CAIRN_RETURN_IF_ERROR(conversation.set_system(start.system));
    if (conversation.system_place() == SystemPlace::kFirstQuestion) {
      notes.emplace_back("(the chat template has no system message: yours goes into the first question)");
    }
  }
  return StartedConversation{std::move(conversation), std::move(notes)};
}

// `why` is what the model's own template failed with.
Result<StartedConversation> start_without_own(const Tokenizer& tokenizer, const ConversationStart& start,
                                              const Status& why) {
  const auto named = named_template_like(*start.model_template);
  if (named.has_value()) {
    auto started = start_in(tokenizer, start, form_of(*named));
    if (started.ok()) {
      started->notes.push_back(
          fmt::format("(the model's chat template does not run: {}; turns are written as in {}; {})",
                      why.message(), named->name, kOtherTemplates));
      return started;
    }
  }
  CAIRN_ASSIGN_OR_RETURN(auto started, start_in(tokenizer, start, {}));
  started.notes.push_back(
      fmt::format("(the model's chat template does not run: {}; turns are written as \"User: ...\" and "
                  "\"Assistant: ...\" lines; {})",
                  why.message(), kOtherTemplates));
  return started;
}

}  // namespace

Result<StartedConversation> start_conversation(const Tokenizer& tokenizer, const ConversationStart& start) {
  if (start.chosen.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(const Form form, chosen_form(*start.chosen));
    auto started = start_in(tokenizer, start, form);
    if (!started.ok()) return invalid_argument("--chat-template: " + started.status().message());
    return started;
  }
  auto started = start_in(tokenizer, start, {start.model_template, std::nullopt});
  if (!start.model_template.has_value() && started.ok()) {
    started->notes.push_back(fmt::format(
        "(this model has no chat template: turns are written as \"User: ...\" and \"Assistant: ...\" "
        "lines; {})",
        kOtherTemplates));
  }
  if (started.ok() || !start.model_template.has_value()) return started;
  return start_without_own(tokenizer, start, started.status());
}

Result<std::pair<std::string, TemplateVariable>> parse_template_variable(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    return invalid_argument(
        fmt::format("'{}' is no NAME=VALUE, as in enable_thinking=false", printable(text)));
  }
  std::string name = text.substr(0, equals);
  const std::string value = text.substr(equals + 1);
  if (value == "true" || value == "false")
    return std::pair{std::move(name), TemplateVariable(value == "true")};
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc() && end == value.data() + value.size()) {
    return std::pair{std::move(name), TemplateVariable(number)};
  }
  const bool is_quoted = value.size() >= 2 && value.starts_with('"') && value.ends_with('"');
  return std::pair{std::move(name), TemplateVariable(is_quoted ? value.substr(1, value.size() - 2) : value)};
}

}  // namespace cairn
