#include "cli/generate.h"

#include <fmt/format.h>

#include "base/machine.h"
#include "cli/console.h"
#include "cli/generate_json.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/reply.h"

namespace cairn {
namespace {

// On a terminal a text is read from its beginning; into a file or a pipe goes only what is new.
Result<Reply> reply_in_text(const ReplyPlace& place, const Prompt& prompt, Request request) {
  Console& console = place.console;
  const ReplyForm form{.opening = console.out_is_terminal() ? prompt.text : std::string()};
  CAIRN_ASSIGN_OR_RETURN(Reply reply, run_reply(place, std::move(request), form));
  const std::string& last = reply.text.empty() ? form.opening : reply.text;
  if (!last.empty() && !last.ends_with('\n')) console.write("\n");
  return reply;
}

Result<Reply> reply_in_json(const ReplyPlace& place, Request request) {
  return run_reply(place, std::move(request), {ReplyText::kKept, ReplyLogits::kDigested, {}});
}

Result<ExitCode> generate(const GenerateOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(std::string text, read_prompt_text(options.prompt, LastLineEnd::kDrop));
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, console));
  CAIRN_ASSIGN_OR_RETURN(const Prompt prompt,
                         make_prompt(options.prompt, std::move(text), opened.model->tokenizer()));
  CAIRN_ASSIGN_OR_RETURN(const EngineOptions engine_choices, engine_options(options.common, *opened.model));
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, engine_choices));

  const uint64_t seed = options.sampling.seed.value_or(fresh_seed());
  Request request{.prompt = prompt.tokens, .max_tokens = options.max_tokens};
  apply_sampling(options.sampling, seed, request);
  console.note(describe_choices(opened, engine_choices, engine->cache()) + fmt::format(", seed {}", seed));

  const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
  const ReplyPlace place{*engine, console, interrupt};
  const bool in_json = options.common.output_form == OutputForm::kJson;
  CAIRN_ASSIGN_OR_RETURN(const Reply reply, in_json ? reply_in_json(place, std::move(request))
                                                    : reply_in_text(place, prompt, std::move(request)));
  if (in_json) {
    console.write(
        generate_json({options, opened, engine_choices, prompt, reply, seed, resident_facts().peak_bytes}));
  }
  console.note(describe_statistics(reply));
  return reply.result.reason == FinishReason::kCancelled ? ExitCode::kInterrupted : ExitCode::kDone;
}

}  // namespace

ExitCode run_generate(const GenerateOptions& options, Console& console) {
  const auto code = generate(options, console);
  if (code.ok()) return *code;
  console.error(code.status().message());
  return exit_code_of(code.status());
}

}  // namespace cairn
