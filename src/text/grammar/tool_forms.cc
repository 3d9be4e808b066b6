#include "text/grammar/guide_spec.h"

namespace cairn {

ToolForm hermes_tool_form() {
  ToolForm form;
  form.begin = {{"<tool_call>"}, {"\n"}};
  form.end = {{"\n</tool_call>"}};
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
