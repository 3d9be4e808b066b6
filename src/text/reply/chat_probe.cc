#include "text/reply/chat_probe.h"

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {
namespace {

constexpr const char* kToolName = "probe_tool";
constexpr const char* kCalledName = "probe_call";
constexpr const char* kAnswer = "probe-answer";
constexpr const char* kReasoning = "probe-reasoning";

ToolSpec probe_tool() {
  boost::json::object parameters{
      {"type", "object"},
      {"properties",
       boost::json::object{{"probe_key", boost::json::object{{"type", "string"}, {"description", "a key"}}}}},
      {"required", boost::json::array{"probe_key"}}};
  boost::json::object function{{"name", kToolName}, {"description", "a tool"}, {"parameters", parameters}};
  return {.name = kToolName,
          .description = "a tool",
          .parameters = parameters,
          .raw = {{"type", "function"}, {"function", function}}};
}

ChatTurn user(std::string text) { return {.role = "user", .content = std::move(text)}; }
ChatTurn assistant(std::string text) { return {.role = "assistant", .content = std::move(text)}; }

bool has(const Result<std::string>& text, std::string_view part) {
  return text.ok() && text->find(part) != std::string::npos;
}

std::string without_blanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

class Probe {
 public:
  Probe(const TurnRenderer& renderer, const ReplyFormat& format, const TemplateVariables& variables)
      : renderer_(renderer), format_(format), variables_(variables) {
    renderer_.form = {};
    renderer_.system_place = SystemPlace::kOwnMessage;
  }

  Result<ProbedTemplate> run() {
    CAIRN_RETURN_IF_ERROR(render({user("Hello")}).status());
    CAIRN_RETURN_IF_ERROR(render({user("Hello"), assistant("Hello"), user("Hello")}).status());
    renderer_.system_place = found_.system_place = find_system_place();
    find_tools();
    find_calls();
    found_.form = renderer_.form;
    find_rewriting();
    return found_;
  }

 private:
  using Turns = std::vector<ChatTurn>;

  [[nodiscard]] Result<std::string> render(const Turns& turns,
                                           const std::vector<ToolSpec>& tools = {}) const {
    return renderer_.render(turns, tools, variables_, {}, PromptEnd::kQuestion);
  }

  // Some templates refuse a system message, others skip it without a word.
  [[nodiscard]] SystemPlace find_system_place() const {
    const auto with = [&](const char* text) {
      return render({{.role = "system", .content = text}, user("Hello"), assistant("Hello"), user("Hello")});
    };
    return has(with("probe-one"), "probe-one") && has(with("probe-two"), "probe-two")
               ? SystemPlace::kOwnMessage
               : SystemPlace::kFirstQuestion;
  }

  void find_tools() {
    if (!renderer_.chat_template.has_value()) return;
    for (const ToolsIn place : {ToolsIn::kVariable, ToolsIn::kSystemMessage}) {
      renderer_.form.tools_in = place;
      if (!has(render({user("Hello")}, {probe_tool()}), kToolName)) continue;
      found_.takes_tools = true;
      return;
    }
    renderer_.form.tools_in = ToolsIn::kVariable;
  }

  // The first way in which a call and its answer are written as they are.
  void find_calls() {
    if (!renderer_.chat_template.has_value()) return;
    const TurnForm plain = renderer_.form;
    for (const CallIdsAs ids : {CallIdsAs::kGiven, CallIdsAs::kNineCharacters}) {
      for (const ArgumentsAs arguments : {ArgumentsAs::kObject, ArgumentsAs::kJsonText}) {
        for (const NoContentAs content : {NoContentAs::kEmptyText, NoContentAs::kNone}) {
          renderer_.form = {
              .arguments = arguments, .no_content = content, .call_ids = ids, .tools_in = plain.tools_in};
          if (!writes_call()) continue;
          found_.writes_calls = true;
          return;
        }
      }
    }
    renderer_.form = plain;
    if (!found_.takes_tools || format_.call_form != CallForm::kMarked) return;
    renderer_.form.calls_in = CallsIn::kContent;
    renderer_.form.call_marks = format_.call_marks;
    found_.writes_calls = writes_call();
    if (!found_.writes_calls) renderer_.form = plain;
  }

  [[nodiscard]] bool writes_call() const {
    ChatTurn calling = assistant("");
    calling.tool_calls.push_back({"call_0123456789", kCalledName, R"({"probe_key": "probe_value"})"});
    const ChatTurn answer{
        .role = "tool", .content = kAnswer, .tool_call_id = "call_0123456789", .name = kCalledName};
    std::vector<ToolSpec> tools;
    if (found_.takes_tools) tools.push_back(probe_tool());
    const auto text = render({user("Hello"), calling, answer}, tools);
    return has(text, kCalledName) && has(text, kAnswer) &&
           without_blanks(*text).find(R"("probe_key":"probe_value")") != std::string::npos;
  }

  // Whether a prompt is a prefix of the next one, and reasoning is still there.
  void find_rewriting() {
    ChatTurn reply = assistant("probe-reply");
    reply.reasoning = kReasoning;
    const auto rewritten = [&](const std::vector<ToolSpec>& tools) {
      const auto first = render({user("Hello")}, tools);
      const auto second = render({user("Hello"), assistant("probe-reply"), user("Goodbye")}, tools);
      return !first.ok() || !second.ok() || !second->starts_with(*first);
    };
    const bool marks_reasoning = format_.reasoning.has_value() || format_.has_harmony_channels;
    found_.rewrites_earlier_turns =
        rewritten({}) ||
        (marks_reasoning && !has(render({user("Hello"), reply, user("Goodbye")}), kReasoning));
    found_.moves_tools = found_.takes_tools && !rewritten({}) && rewritten({probe_tool()});
  }

  TurnRenderer renderer_;
  const ReplyFormat& format_;
  const TemplateVariables& variables_;
  ProbedTemplate found_;
};

}  // namespace

Result<ProbedTemplate> probe_template(const TurnRenderer& renderer, const ReplyFormat& format,
                                      const TemplateVariables& variables) {
  return Probe(renderer, format, variables).run();
}

}  // namespace cairn
