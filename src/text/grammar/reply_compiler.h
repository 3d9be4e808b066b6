// ReplyCompiler: the parts of a reply around its JSON: free text up to a marker, reasoning, tool calls. For compile.cc.
#pragma once

#include <string_view>

#include "cairn/status.h"
#include "text/grammar/guide_spec.h"
#include "text/grammar/schema_compiler.h"

namespace cairn::grammar {

class ReplyCompiler {
 public:
  explicit ReplyCompiler(CompileState& state) : state_(state), graph_(state.graph), text_(state.text) {}

  // Rule 0.
  Status add_reply(const GuideSpec& spec);

 private:
  enum class MayEnd : uint8_t { kNo, kYes };  // whether the reply may end within the free text

  Status add_body(const GuideSpec& spec, State from, State to);
  Status add_answer(const AnswerSpec& answer, State from, State to);
  Status add_reasoning(const ReasoningForm& reasoning, State from, State to);
  Status add_tools(const ToolCallSpec& tools, const AnswerSpec& answer, State from, State to);
  // From behind the first piece of the form's begin; where that is empty, from the call itself.
  Status add_calls(const ToolCallSpec& tools, State from, State to);
  Status add_call(const ToolCallSpec& tools, State from, State to);
  Status add_arguments(const ToolSignature& tool, State from, State to);

  void add_marker(const Marker& marker, size_t first, State from, State to);
  void add_free_text(State from, State to);  // any
  void let_end(State state, State end);
  // Any text up to `piece`, which is read too.
  void add_free_until(const MarkerPiece& piece, MayEnd may_end, State from, State to);
  // `piece`, or any text that does not begin with it, which leads to the reply's end.
  void add_piece_or_free(const MarkerPiece& piece, State from, State to, State end);
  // Likewise, but the bracket is left for what follows.
  void add_bracket_or_free(char bracket, State from, State to, State end);

  CompileState& state_;
  Graph& graph_;
  JsonText& text_;
};

}  // namespace cairn::grammar
