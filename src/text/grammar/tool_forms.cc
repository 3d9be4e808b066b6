#include "text/grammar/guide_spec.h"
#include "text/tokenizer.h"

namespace cairn {
namespace {

void use_tokens(Marker& marker, const Tokenizer& tokenizer) {
  for (MarkerPiece& piece : marker) {
    if (piece.token.has_value()) continue;
    const std::optional<TokenId> token = tokenizer.find(piece.text);
    if (token.has_value() && tokenizer.is_special(*token)) piece.token = token;
  }
}

}  // namespace

ToolForm with_tokens(ToolForm form, const Tokenizer& tokenizer) {
  for (Marker* marker : {&form.begin, &form.end, &form.between, &form.before_name, &form.before_arguments,
                         &form.after_arguments}) {
    use_tokens(*marker, tokenizer);
  }
  return form;
}

ReasoningForm with_tokens(ReasoningForm form, const Tokenizer& tokenizer) {
  use_tokens(form.open, tokenizer);
  use_tokens(form.close, tokenizer);
  return form;
}

ToolForm hermes_tool_form() {
  ToolForm form;
  form.begin = {{"<tool_call>"}, {"\n"}};
  form.end = {{"\n"}, {"</tool_call>"}};
  form.between = {{"\n"}};
  return form;
}

ToolForm llama3_tool_form() {
  ToolForm form;
  form.arguments_key = "parameters";
  return form;
}

ToolForm mistral_tool_form(std::optional<TokenId> marker) {
  ToolForm form;
  form.begin = {{"[TOOL_CALLS]", marker}};
  form.list = ToolForm::List::kArray;
  return form;
}

}  // namespace cairn
