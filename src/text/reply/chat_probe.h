// Probing: what a chat template can write and how it wants it, found by running it on small conversations. Once for a
// model. For ChatPrompter.
#pragma once

#include "cairn/status.h"
#include "text/reply/reply_format.h"
#include "text/reply/turn_renderer.h"

namespace cairn {

struct ProbedTemplate {
  SystemPlace system_place = SystemPlace::kOwnMessage;
  TurnForm form;
  bool takes_tools = false;
  bool writes_calls = false;  // an assistant's calls, and what tools answer
  bool rewrites_earlier_turns = false;
  bool moves_tools = false;
};

// The renderer's form and system_place do not matter. An error where two plain turns fail.
Result<ProbedTemplate> probe_template(const TurnRenderer& renderer, const ReplyFormat& format,
                                      const TemplateVariables& variables);

}  // namespace cairn
