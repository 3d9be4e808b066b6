#include "text/reply/turn_renderer.h"

#include "text/plain_lines.h"

namespace cairn {
namespace {

// Templates that must know the date; the one that Llama 3's name where they do not know it.
constexpr CivilTime kSomeDay{.year = 2024, .month = 7, .day = 26};

// One system turn at the front, or none; where the template has no place for one, it is in front of the next question.
std::vector<ChatTurn> with_system_in_place(std::span<const ChatTurn> turns, SystemPlace place) {
  std::vector<ChatTurn> placed;
  placed.reserve(turns.size());
  std::string before;
  for (const ChatTurn& turn : turns) {
    const bool is_system = turn.role == "system";
    const bool continues_first =
        is_system && place == SystemPlace::kOwnMessage && placed.size() == 1 && placed[0].role == "system";
    if (continues_first) {
      placed[0].content += "\n\n" + turn.content;
    } else if (is_system && place == SystemPlace::kFirstQuestion) {
      before += turn.content + "\n\n";
    } else {
      placed.push_back(turn);
      if (turn.role != "user" || before.empty()) continue;
      placed.back().content = before + turn.content;
      before.clear();
    }
  }
  // A system message alone is a question.
  if (!before.empty()) placed.push_back({.role = "user", .content = before});
  return placed;
}

std::string render_plain(std::span<const ChatTurn> turns, const ControlMarks& marks, PromptEnd end) {
  std::vector<ChatMessage> messages;
  messages.reserve(turns.size());
  for (const ChatTurn& turn : turns) messages.push_back({turn.role, marks.mark(turn.content)});
  if (end == PromptEnd::kQuestion) return plain_lines(messages);
  const std::string begun = messages.back().content;
  messages.pop_back();
  return plain_lines(messages) + " " + begun;
}

}  // namespace

Result<std::string> TurnRenderer::render(std::span<const ChatTurn> turns, std::span<const ToolSpec> tools,
                                         const TemplateVariables& variables,
                                         const std::optional<CivilTime>& now, PromptEnd end) const {
  std::vector<ChatTurn> placed = with_system_in_place(turns, system_place);
  if (!chat_template.has_value()) return render_plain(placed, marks, end);

  const bool tools_are_text = form.tools_in == ToolsIn::kSystemMessage && !tools.empty();
  const std::string system_tools = tools_are_text ? json_of_tools(tools) : std::string();
  if (tools_are_text && (placed.empty() || placed.front().role != "system")) {
    placed.insert(placed.begin(), ChatTurn{.role = "system"});
  }
  const std::string place = end == PromptEnd::kGoOn ? marks.place_mark() : std::string();
  CAIRN_ASSIGN_OR_RETURN(
      const jinja::Value messages,
      value_of_turns(placed, form, marks, {.system_tools = system_tools, .behind_last = place}));
  CAIRN_ASSIGN_OR_RETURN(const jinja::Value tool_values,
                         value_of_tools(tools_are_text ? std::span<const ToolSpec>() : tools, marks));
  CAIRN_ASSIGN_OR_RETURN(
      std::string text,
      chat_template->render(messages, tool_values,
                            {.add_generation_prompt = end == PromptEnd::kQuestion,
                             .bos_token = name_of(marks.tokenizer(), marks.tokenizer().bos()),
                             .eos_token = name_of(marks.tokenizer(), marks.tokenizer().eos()),
                             .now = now.value_or(kSomeDay),
                             .variables = variables}));
  if (end == PromptEnd::kQuestion) return text;
  const size_t at = text.find(place);
  if (at == std::string::npos) {
    return invalid_argument(
        "this model's chat template cannot go on with a turn of the assistant's; let the last "
        "message be the user's");
  }
  text.resize(at);
  return text;
}

}  // namespace cairn
