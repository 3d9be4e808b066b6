#include "cli/generate.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/machine.h"
#include "cli/console.h"
#include "cli/continuations.h"
#include "cli/generate_json.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/reply.h"
#include "cli/table.h"

namespace cairn {
namespace {

// What a prompt is run with.
struct Generation {
  const OpenModel& opened;
  const EngineOptions& engine_choices;
  const Prompt& prompt;
  uint64_t seed;
  ReplyPlace place;
};

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

Result<ExitCode> generate_one(const GenerateOptions& options, const Generation& generation, Request request) {
  const auto& [opened, engine_choices, prompt, seed, place] = generation;
  const bool in_json = options.common.output_form == OutputForm::kJson;
  CAIRN_ASSIGN_OR_RETURN(const Reply reply, in_json ? reply_in_json(place, std::move(request))
                                                    : reply_in_text(place, prompt, std::move(request)));
  if (in_json) {
    place.console.write(
        generate_json({options, opened, engine_choices, prompt, reply, seed, resident_facts().peak_bytes}));
  }
  place.console.note(describe_statistics(reply));
  if (options.explains) {
    place.console.note(explain_match(match_report(reply, engine_choices.sharing), opened.model->tokenizer()));
  }
  return reply.result.reason == FinishReason::kCancelled ? ExitCode::kInterrupted : ExitCode::kDone;
}

void write_continuations(const Continuations& all, Console& console) {
  for (size_t i = 0; i < all.list.size(); ++i) {
    const Continuation& one = all.list[i];
    const std::string likelihood =
        one.log_probability.has_value() ? fmt::format(", log p {:.2f}", *one.log_probability) : "";
    console.write_opening(fmt::format("[{} of {}{}]", i + 1, all.list.size(), likelihood));
    console.write_foreign(one.text);
    console.write(one.text.ends_with('\n') ? "" : "\n");
  }
}

Result<ExitCode> generate_many(const GenerateOptions& options, const Generation& generation,
                               const Request& request) {
  const auto& [opened, engine_choices, prompt, seed, place] = generation;
  CAIRN_ASSIGN_OR_RETURN(const Continuations all,
                         options.beam_count > 0
                             ? run_beams(place, request, options.beam_count, opened.model->tokenizer())
                             : run_samples(place, request, options.sample_count));
  if (options.common.output_form == OutputForm::kJson) {
    place.console.write(continuations_json(
        {options, opened, engine_choices, prompt, all, seed, resident_facts().peak_bytes}));
  } else {
    write_continuations(all, place.console);
  }
  place.console.note(fmt::format("{} prompt tokens, {} texts; KV {} together, {} apart", prompt.tokens.size(),
                                 all.list.size(), human_bytes(all.kv_bytes),
                                 human_bytes(all.kv_bytes_apart)));
  const bool is_stopped = std::ranges::any_of(
      all.list, [](const Continuation& one) { return one.reason == FinishReason::kCancelled; });
  return is_stopped ? ExitCode::kInterrupted : ExitCode::kDone;
}

}  // namespace

Result<ExitCode> run_generate(const GenerateOptions& options, Console& console) {
  if (options.sample_count > 1 && options.beam_count > 0) {
    return invalid_argument("--samples and --beams are two ways to get several texts: choose one");
  }
  if (options.explains && (options.sample_count > 1 || options.beam_count > 0)) {
    return invalid_argument("--explain speaks of one text: leave out --samples and --beams");
  }
  CAIRN_ASSIGN_OR_RETURN(std::string text, read_prompt_text(options.prompt, LastLineEnd::kDrop));
  const int64_t max_sequences = std::max<int64_t>(options.sample_count, options.beam_count);
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, console, max_sequences));
  CAIRN_ASSIGN_OR_RETURN(const Prompt prompt,
                         make_prompt(options.prompt, std::move(text), opened.model->tokenizer()));
  const EngineOptions& engine_choices = opened.engine_options;
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, engine_choices));

  const uint64_t seed = options.sampling.seed.value_or(fresh_seed());
  Request request{.prompt = prompt.tokens, .max_tokens = options.max_tokens};
  apply_sampling(options.sampling, seed, request);
  console.note(describe_choices(opened, engine_choices, engine->cache()) + fmt::format(", seed {}", seed));

  const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
  const Generation generation{opened, engine_choices, prompt, seed, {*engine, console, interrupt}};
  if (engine_choices.max_sequences > 1 || options.beam_count > 0) {
    return generate_many(options, generation, request);
  }
  return generate_one(options, generation, std::move(request));
}

}  // namespace cairn
