#include "text/grammar/reply_compiler.h"

#include <algorithm>
#include <utility>

#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

constexpr int kBlankLinesMax = 4;  // bytes of white space behind a block of reasoning

Status check_marker(std::string_view what, const Marker& marker) {
  for (const MarkerPiece& piece : marker) {
    if (!piece.token.has_value() && (piece.text.empty() || piece.text.size() > kMarkerBytesMax)) {
      return invalid_argument("a piece of the marker \"" + std::string(what) + "\" is empty or longer than " +
                              std::to_string(kMarkerBytesMax) + " bytes");
    }
  }
  return {};
}

Status check_form(const ToolForm& form) {
  CAIRN_RETURN_IF_ERROR(check_marker("begin", form.begin));
  CAIRN_RETURN_IF_ERROR(check_marker("end", form.end));
  CAIRN_RETURN_IF_ERROR(check_marker("between", form.between));
  CAIRN_RETURN_IF_ERROR(check_marker("before_name", form.before_name));
  CAIRN_RETURN_IF_ERROR(check_marker("before_arguments", form.before_arguments));
  return check_marker("after_arguments", form.after_arguments);
}

Status check_tools(const ToolCallSpec& tools, const AnswerSpec& answer) {
  if (tools.tools.empty()) return invalid_argument("there are no tools: at least 1 is needed");
  if (tools.tools.size() > kBranchesMax) {
    return invalid_argument("there are more than " + std::to_string(kBranchesMax) + " tools");
  }
  for (const ToolSignature& tool : tools.tools) {
    if (tool.name.empty()) return invalid_argument("a tool has no name");
  }
  if (tools.calls_max < 1) return invalid_argument("calls_max must be at least 1");
  const bool is_free_before = tools.text_before == ToolCallSpec::TextBefore::kFree;
  if (is_free_before && tools.form.begin.empty()) {
    return invalid_argument("free text before tool calls needs a marker that the calls begin with");
  }
  const bool is_may = tools.need == ToolCallSpec::Need::kMay;
  if (is_free_before && is_may && answer.kind != AnswerSpec::Kind::kFreeText) {
    return invalid_argument("free text before tool calls does not go with an answer in JSON");
  }
  return check_form(tools.form);
}

// How many of the first bytes of `text` end what was read: `matched` of them, then `byte`.
size_t matched_after(std::string_view text, size_t matched, uint8_t byte) {
  std::string read(text.substr(0, matched));
  read += static_cast<char>(byte);
  for (size_t length = read.size(); length > 0; --length) {
    if (text.starts_with(std::string_view(read).substr(read.size() - length))) return length;
  }
  return 0;
}

// Calls add(low, high, target) for each run of bytes with the same target.
template <typename TargetOf, typename Add>
void for_each_run(const TargetOf& target_of, const Add& add) {
  for (unsigned first = 0; first < 256;) {
    const State target = target_of(static_cast<uint8_t>(first));
    unsigned end = first + 1;
    while (end < 256 && target_of(static_cast<uint8_t>(end)) == target) ++end;
    add(static_cast<uint8_t>(first), static_cast<uint8_t>(end - 1), target);
    first = end;
  }
}

bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\n'; }

}  // namespace

Status ReplyCompiler::add_reply(const GuideSpec& spec) {
  const Rule root = graph_.add_rule();
  const State from = graph_.begin(root), to = graph_.end(root);
  State body = from;
  if (spec.reasoning.has_value()) {
    body = graph_.add_state();
    CAIRN_RETURN_IF_ERROR(add_reasoning(*spec.reasoning, from, body));
  }
  return add_body(spec, body, to);
}

Status ReplyCompiler::add_body(const GuideSpec& spec, State from, State to) {
  if (spec.tools.has_value()) return add_tools(*spec.tools, spec.answer, from, to);
  return add_answer(spec.answer, from, to);
}

Status ReplyCompiler::add_answer(const AnswerSpec& answer, State from, State to) {
  if (answer.kind == AnswerSpec::Kind::kFreeText) {
    add_free_text(from, to);
    return {};
  }
  const State json = graph_.add_state();
  text_.add_colon_space(from, json);  // the first token of many vocabularies is one with a blank
  if (answer.kind == AnswerSpec::Kind::kJsonObject) {
    text_.add_object(json, to);
    return {};
  }
  return SchemaCompiler(state_, answer.schema).add(answer.schema, json, to);
}

Status ReplyCompiler::add_reasoning(const ReasoningForm& reasoning, State from, State to) {
  CAIRN_RETURN_IF_ERROR(check_marker("open", reasoning.open));
  CAIRN_RETURN_IF_ERROR(check_marker("close", reasoning.close));
  if (reasoning.close.empty()) return invalid_argument("a block of reasoning has no marker that closes it");
  State inside = from;
  if (reasoning.start == ReasoningForm::Start::kMayOpen) {
    if (reasoning.open.empty()) return invalid_argument("a block of reasoning has no marker that opens it");
    graph_.add_empty(from, to);
    inside = graph_.add_state();
    add_marker(reasoning.open, 0, from, inside);
  }
  const State closing = graph_.add_state();
  State behind = graph_.add_state();
  add_free_until(reasoning.close[0], MayEnd::kNo, inside, closing);
  add_marker(reasoning.close, 1, closing, behind);
  for (int i = 0; i < kBlankLinesMax; ++i) {
    graph_.add_empty(behind, to);
    const State next = graph_.add_state();
    graph_.add_byte(behind, ' ', next);
    graph_.add_byte(behind, '\n', next);
    behind = next;
  }
  graph_.add_empty(behind, to);
  return {};
}

Status ReplyCompiler::add_tools(const ToolCallSpec& tools, const AnswerSpec& answer, State from, State to) {
  CAIRN_RETURN_IF_ERROR(check_tools(tools, answer));
  const bool is_must = tools.need == ToolCallSpec::Need::kMust;
  const bool is_free_before = tools.text_before == ToolCallSpec::TextBefore::kFree;
  const Marker& begin = tools.form.begin;
  const State calls = graph_.add_state();
  if (is_free_before) {
    add_free_until(begin[0], is_must ? MayEnd::kNo : MayEnd::kYes, from, calls);
  } else if (!is_must && answer.kind == AnswerSpec::Kind::kFreeText) {
    if (begin.empty()) {
      add_bracket_or_free(tools.form.list == ToolForm::List::kArray ? '[' : '{', from, calls, to);
    } else {
      add_piece_or_free(begin[0], from, calls, to);
    }
  } else {
    const State first = graph_.add_state();
    text_.add_colon_space(from, first);
    add_marker(begin.empty() ? Marker() : Marker{begin[0]}, 0, first, calls);
    if (!is_must) CAIRN_RETURN_IF_ERROR(add_answer(answer, from, to));
  }
  return add_calls(tools, calls, to);
}

Status ReplyCompiler::add_calls(const ToolCallSpec& tools, State from, State to) {
  const ToolForm& form = tools.form;
  const Rule before = graph_.current_rule();
  const Rule call = graph_.add_rule();
  CAIRN_RETURN_IF_ERROR(add_call(tools, graph_.begin(call), graph_.end(call)));
  graph_.go_on_with(before);
  const int64_t calls_max = std::min(tools.calls_max, kItemsMax);
  const bool is_array = form.list == ToolForm::List::kArray;
  State at = graph_.add_state();
  add_marker(form.begin, 1, from, at);
  if (is_array) {
    const State open = graph_.add_state();
    graph_.add_byte(at, '[', open);
    at = graph_.add_state();
    text_.add_space(open, at);
  }
  for (int64_t count = 1; count <= calls_max; ++count) {
    State behind = graph_.add_state();
    graph_.add_call(at, call, behind);
    if (is_array) {
      const State close = graph_.add_state(), end = graph_.add_state();
      text_.add_space(behind, close);
      graph_.add_byte(close, ']', end);
      add_marker(form.end, 0, end, to);
    } else {
      const State end = graph_.add_state();
      add_marker(form.end, 0, behind, end);
      graph_.add_empty(end, to);
      behind = end;
    }
    if (count == calls_max) break;
    at = graph_.add_state();
    const State next = graph_.add_state();
    if (is_array) {
      graph_.add_byte(behind, ',', next);
      text_.add_space(next, at);
    } else {
      add_marker(form.between, 0, behind, next);
      add_marker(form.begin, 0, next, at);
    }
  }
  return {};
}

Status ReplyCompiler::add_call(const ToolCallSpec& tools, State from, State to) {
  const ToolForm& form = tools.form;
  const bool is_object = form.call == ToolForm::Call::kObject;
  State name = graph_.add_state(), behind_arguments = graph_.add_state();
  if (is_object) {
    const State open = graph_.add_state(), key = graph_.add_state(), colon = graph_.add_state(),
                close = graph_.add_state();
    graph_.add_byte(from, '{', open);
    text_.add_space(open, key);
    graph_.add_text(key, json_string(form.name_key) + ":", colon);
    text_.add_colon_space(colon, name);
    text_.add_space(behind_arguments, close);
    graph_.add_byte(close, '}', to);
  } else {
    add_marker(form.before_name, 0, from, name);
    add_marker(form.after_arguments, 0, behind_arguments, to);
  }
  for (const ToolSignature& tool : tools.tools) {
    const State named = graph_.add_state(), arguments = graph_.add_state();
    graph_.add_text(name, is_object ? json_string(tool.name) : tool.name, named);
    if (is_object) {
      const State comma = graph_.add_state(), key = graph_.add_state(), colon = graph_.add_state();
      graph_.add_byte(named, ',', comma);
      text_.add_space(comma, key);
      graph_.add_text(key, json_string(form.arguments_key) + ":", colon);
      text_.add_colon_space(colon, arguments);
    } else {
      add_marker(form.before_arguments, 0, named, arguments);
    }
    const Status added = add_arguments(tool, arguments, behind_arguments);
    if (!added.ok())
      return {added.code(), "the parameters of tool \"" + tool.name + "\": " + added.message()};
  }
  return {};
}

// Arguments are an object, whether the schema says so or not, and nothing else that it allows.
Status ReplyCompiler::add_arguments(const ToolSignature& tool, State from, State to) {
  if (tool.parameters.is_null()) {
    const State open = graph_.add_state();
    graph_.add_byte(from, '{', open);
    graph_.add_byte(open, '}', to);
    return {};
  }
  if (!tool.parameters.is_object()) return invalid_argument("they must be a schema, which is an object");
  return SchemaCompiler(state_, tool.parameters).add_object_of(tool.parameters, from, to);
}

void ReplyCompiler::add_marker(const Marker& marker, size_t first, State from, State to) {
  for (size_t i = first; i < marker.size(); ++i) {
    const State next = graph_.add_state();
    if (marker[i].token.has_value()) {
      graph_.add_token(from, *marker[i].token, next);
    } else {
      graph_.add_text(from, marker[i].text, next);
    }
    from = next;
  }
  graph_.add_empty(from, to);
}

void ReplyCompiler::add_free_text(State from, State to) {
  const State any = graph_.add_state();
  graph_.set_free(any);
  graph_.add_empty(from, any);
  graph_.add_bytes(any, 0, 255, any);
  graph_.add_any_special(any, {}, any);
  graph_.add_empty(any, to);
}

// The reply may end here, within free text.
void ReplyCompiler::let_end(State state, State end) {
  graph_.add_empty(state, end);
  graph_.set_free(state);
}

void ReplyCompiler::add_free_until(const MarkerPiece& piece, MayEnd may_end, State from, State to) {
  const State end = graph_.end(graph_.current_rule());
  if (piece.token.has_value()) {
    const State any = graph_.add_state();
    graph_.add_empty(from, any);
    graph_.add_bytes(any, 0, 255, any);
    graph_.add_any_special(any, piece.token, any);
    graph_.add_token(any, *piece.token, to);
    if (may_end == MayEnd::kYes) let_end(any, end);
    return;
  }
  // The i-th state: the first i bytes of the marker end what was read.
  std::vector<State> states(piece.text.size() + 1);
  for (State& state : states) state = graph_.add_state();
  states.back() = to;
  graph_.add_empty(from, states[0]);
  for (size_t matched = 0; matched < piece.text.size(); ++matched) {
    for_each_run([&](uint8_t byte) { return states[matched_after(piece.text, matched, byte)]; },
                 [&](uint8_t low, uint8_t high, State target) {
                   graph_.add_bytes(states[matched], low, high, target);
                 });
    graph_.add_any_special(states[matched], {}, states[0]);
    if (may_end == MayEnd::kYes) let_end(states[matched], end);
  }
}

void ReplyCompiler::add_bracket_or_free(char bracket, State from, State to, State end) {
  const State first = graph_.add_state(), other = graph_.add_state();
  graph_.add_empty(from, first);
  graph_.add_empty(first, to);
  let_end(first, end);
  add_free_text(other, end);
  graph_.add_any_special(first, {}, other);
  for_each_run(
      [&](uint8_t byte) {
        if (byte == static_cast<uint8_t>(bracket)) return to;
        return is_blank(byte) ? first : other;
      },
      [&](uint8_t low, uint8_t high, State target) {
        if (target != to) graph_.add_bytes(first, low, high, target);
      });
}

void ReplyCompiler::add_piece_or_free(const MarkerPiece& piece, State from, State to, State end) {
  const std::string_view text = piece.token.has_value() ? std::string_view() : piece.text;
  const State first = graph_.add_state(), other = graph_.add_state();
  graph_.add_empty(from, first);
  add_free_text(other, end);
  if (piece.token.has_value()) graph_.add_token(first, *piece.token, to);
  // What follows white space is looked at as if it came first.
  const bool skips_blanks = text.empty() || !is_blank(static_cast<uint8_t>(text[0]));
  State at = first;
  for (size_t i = 0; i < std::max<size_t>(text.size(), 1); ++i) {
    const State next = i + 1 >= text.size() ? to : graph_.add_state();
    for_each_run(
        [&](uint8_t byte) {
          if (i < text.size() && byte == static_cast<uint8_t>(text[i])) return next;
          return i == 0 && skips_blanks && is_blank(byte) ? first : other;
        },
        [&](uint8_t low, uint8_t high, State target) { graph_.add_bytes(at, low, high, target); });
    let_end(at, end);
    graph_.add_any_special(at, i == 0 ? piece.token : std::nullopt, other);
    at = next;
  }
}

}  // namespace cairn::grammar
