#include "text/reply/chat_prompt.h"

#include <algorithm>

#include "base/printable.h"
#include "text/plain_lines.h"
#include "text/reply/chat_probe.h"
#include "text/reply/turn_renderer.h"

namespace cairn {

struct ChatPrompter::Impl {
  TurnRenderer renderer;
  std::optional<std::string> end_of_turn;
  TemplateVariables variables;
  bool takes_tools = false;
  bool writes_calls = false;
  ReplyFormat format;
  std::vector<std::string> notes;
};

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

Result<std::string> template_role(const std::string& role) {
  if (role == "developer") return std::string("system");
  if (role == "function") return std::string("tool");
  if (role == "system" || role == "user" || role == "assistant" || role == "tool") return role;
  return invalid_argument("the role '" + printable(role) +
                          "' is none: system, developer, user, assistant and tool are");
}

TemplateVariables merged(const TemplateVariables& ours, const TemplateVariables& theirs) {
  TemplateVariables all = theirs;
  for (const auto& variable : ours) {
    const auto is_same = [&](const auto& each) { return each.first == variable.first; };
    if (std::ranges::none_of(theirs, is_same)) all.push_back(variable);
  }
  return all;
}

// Those of one prompt are its user's words, as turns are: no name of a control token in them is one.
TemplateVariables marked(TemplateVariables theirs, const ControlMarks& marks) {
  for (auto& [name, value] : theirs) {
    if (std::string* const text = std::get_if<std::string>(&value)) *text = marks.mark(*text);
  }
  return theirs;
}

// Which part of a reply the prompt has opened. `text` is the prompt's.
ReplyBeginning place_of_reply(const ReplyFormat& format, std::string_view text) {
  if (!format.reasoning.has_value()) return ReplyBeginning::kStart;
  const size_t last = text.find_last_not_of(kBlanks);
  const bool opened =
      last != std::string_view::npos && text.substr(0, last + 1).ends_with(format.reasoning->open);
  return opened ? ReplyBeginning::kReasoning : ReplyBeginning::kStart;
}

// The same where an assistant's turn is gone on with.
ReplyBeginning place_in_turn(const ReplyFormat& format, std::string_view content) {
  if (!format.reasoning.has_value()) return ReplyBeginning::kContent;
  const size_t open = content.rfind(format.reasoning->open);
  if (open == std::string_view::npos) return ReplyBeginning::kContent;
  const bool is_closed = content.find(format.reasoning->close, open) != std::string_view::npos;
  return is_closed ? ReplyBeginning::kContent : ReplyBeginning::kReasoning;
}

}  // namespace

Result<ChatPrompter> ChatPrompter::create(const Tokenizer& tokenizer, const ChatPrompterOptions& options) {
  for (const auto& [name, value] : options.variables) {
    CAIRN_RETURN_IF_ERROR(ChatTemplate::check_variable_name(name));
  }
  Impl impl{.renderer = {.marks = ControlMarks(tokenizer)}, .variables = options.variables};
  // A model whose template does not run still thinks as that one says.
  const auto& shown = options.chosen.has_value() ? options.chosen->source : options.model_template;
  impl.format = find_reply_format(shown.value_or(""), tokenizer);
  const auto make = [&](const ChatForm& form) -> Status {
    impl.renderer.chat_template.reset();
    if (form.source.has_value()) {
      CAIRN_ASSIGN_OR_RETURN(impl.renderer.chat_template, ChatTemplate::parse(*form.source));
    }
    CAIRN_ASSIGN_OR_RETURN(const ProbedTemplate probed,
                           probe_template(impl.renderer, impl.format, options.variables));
    impl.end_of_turn = form.end_of_turn;
    impl.renderer.form = probed.form;
    impl.renderer.system_place = probed.system_place;
    impl.takes_tools = probed.takes_tools;
    impl.writes_calls = probed.writes_calls;
    impl.format.rewrites_earlier_turns = probed.rewrites_earlier_turns;
    impl.format.moves_tools = probed.moves_tools;
    return {};
  };
  CAIRN_RETURN_IF_ERROR(try_forms(options.model_template, options.chosen, make, impl.notes));
  if (!impl.takes_tools && !impl.format.has_harmony_channels) impl.format.call_form = CallForm::kNone;
  return ChatPrompter(std::make_shared<const Impl>(std::move(impl)));
}

Result<ReplyPrompt> ChatPrompter::prompt(std::span<const ChatTurn> turns, std::span<const ToolSpec> tools,
                                         const ChatPromptSettings& settings) const {
  if (turns.empty()) return invalid_argument("a chat needs at least one message");
  if (!tools.empty() && !impl_->takes_tools) {
    return invalid_argument("this model's chat template has no place for tools; send the request without");
  }
  for (const auto& [name, value] : settings.variables) {
    CAIRN_RETURN_IF_ERROR(ChatTemplate::check_variable_name(name));
  }
  std::vector<ChatTurn> known(turns.begin(), turns.end());
  for (ChatTurn& turn : known) {
    CAIRN_ASSIGN_OR_RETURN(turn.role, template_role(turn.role));
    if ((turn.role == "tool" || !turn.tool_calls.empty()) && !impl_->writes_calls) {
      return invalid_argument("this model's chat template has no place for tool calls and their results");
    }
    if (turn.role != "assistant" && !turn.tool_calls.empty()) {
      return invalid_argument("a message of the role '" + turn.role + "' cannot have tool calls");
    }
  }
  const bool goes_on = known.back().role == "assistant";
  if (goes_on && !known.back().tool_calls.empty()) {
    return invalid_argument("the last message has tool calls: the tools' results must follow it");
  }

  CAIRN_ASSIGN_OR_RETURN(
      const std::string text,
      impl_->renderer.render(known, tools,
                             merged(impl_->variables, marked(settings.variables, impl_->renderer.marks)),
                             settings.now, goes_on ? PromptEnd::kGoOn : PromptEnd::kQuestion));
  ReplyPrompt prompt;
  CAIRN_ASSIGN_OR_RETURN(
      prompt.tokens,
      impl_->renderer.marks.encode(text, has_template() ? SpecialText::kParsed : SpecialText::kLiteral));
  prompt.text = impl_->renderer.marks.unmark(text);
  if (!has_template()) prompt.stop_strings.emplace_back(kPlainUserLine);
  if (impl_->end_of_turn.has_value()) prompt.stop_strings.push_back(*impl_->end_of_turn);
  prompt.reply_begins = goes_on ? place_in_turn(impl_->format, known.back().content)
                                : place_of_reply(impl_->format, prompt.text);
  return prompt;
}

const ReplyFormat& ChatPrompter::format() const { return impl_->format; }
bool ChatPrompter::takes_tools() const { return impl_->takes_tools; }
bool ChatPrompter::has_template() const { return impl_->renderer.chat_template.has_value(); }
bool ChatPrompter::reads_variable(std::string_view name) const {
  return has_template() && impl_->renderer.chat_template->mentions(name);
}
std::span<const std::string> ChatPrompter::notes() const { return impl_->notes; }

}  // namespace cairn
