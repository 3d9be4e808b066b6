// cairn generate.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "base/machine.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/continuations.h"
#include "cli/match_words.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/reply.h"
#include "cli/terminal_input.h"

namespace cairn {
namespace {

struct GenerateReport {
  const GenerateOptions& options;
  const OpenModel& opened;
  const EngineOptions& engine;
  const Prompt& prompt;
  const Reply& reply;
  uint64_t seed = 0;
  uint64_t peak_rss_bytes = 0;
};

// Of --samples and --beams: an object for each text in "continuations".
struct ContinuationsReport {
  const GenerateOptions& options;
  const OpenModel& opened;
  const EngineOptions& engine;
  const Prompt& prompt;
  const Continuations& continuations;
  uint64_t seed = 0;
  uint64_t peak_rss_bytes = 0;
};

boost::json::array ids(const std::vector<TokenId>& tokens) {
  boost::json::array array;
  array.reserve(tokens.size());
  for (const TokenId token : tokens) array.emplace_back(token);
  return array;
}

template <typename Report>
boost::json::object settings(const Report& report) {
  return {{"model", json_text(report.opened.path)},
          {"family", report.opened.model->config().family},
          {"isa", isa_name(report.opened.kernels->isa)},
          {"threads", report.opened.threads->thread_count()},
          {"context", report.engine.context},
          {"cache", kv_storage_kind_name(report.engine.storage)},
          {"kv", report.engine.kv_plan.text()},
          {"prefill_chunk", report.engine.prefill_chunk},
          {"seed", report.seed},
          {"temperature", report.options.sampling.temperature}};
}

std::string error_text(const Status& status) { return json_text(with_flags(status.message())); }

std::string generate_json(const GenerateReport& report) {
  const Reply& reply = report.reply;
  const RequestStats& stats = reply.result.stats;
  boost::json::object object{
      {"prompt_tokens", stats.prompt_tokens},
      {"prompt_token_ids", ids(report.prompt.tokens)},
      {"tokens", ids(reply.tokens)},
      {"text", reply.text},
      {"finish_reason", finish_reason_name(reply.result.reason)},
      {"logits_sha256", reply.logits_sha256},
      {"sampled_steps", reply.sampled_steps},
      {"ttft_ms", static_cast<double>(stats.ttft_ns) / 1e6},
      {"tpot_ms", stats.tpot_ns / 1e6},
      {"kv_bytes", stats.kv_bytes},
      {"kv_pool_bytes", reply.kv_pool_bytes},
      {"peak_rss_bytes", report.peak_rss_bytes},
      {"load_ms", static_cast<double>(report.opened.load_ns) / 1e6},
      {"settings", settings(report)},
  };
  if (!reply.result.status.ok()) object["error"] = error_text(reply.result.status);
  return json_line(object);
}

std::string continuations_json(const ContinuationsReport& report) {
  boost::json::array list;
  for (const Continuation& one : report.continuations.list) {
    boost::json::object object{
        {"tokens", ids(one.tokens)}, {"text", one.text}, {"finish_reason", finish_reason_name(one.reason)}};
    if (one.log_probability.has_value()) object["log_probability"] = *one.log_probability;
    if (!one.status.ok()) object["error"] = error_text(one.status);
    list.push_back(std::move(object));
  }
  return json_line({{"prompt_tokens", report.prompt.tokens.size()},
                    {"prompt_token_ids", ids(report.prompt.tokens)},
                    {"continuations", std::move(list)},
                    {"kv_bytes", report.continuations.kv_bytes},
                    {"kv_bytes_without_sharing", report.continuations.kv_bytes_apart},
                    {"peak_rss_bytes", report.peak_rss_bytes},
                    {"load_ms", static_cast<double>(report.opened.load_ns) / 1e6},
                    {"settings", settings(report)}});
}

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
  CAIRN_ASSIGN_OR_RETURN(Reply reply, run_reply_as_far_as_it_goes(place, std::move(request), form));
  const std::string& last = reply.text.empty() ? form.opening : reply.text;
  if (!last.empty() && !last.ends_with('\n')) console.write("\n");
  return reply;
}

Result<Reply> reply_in_json(const ReplyPlace& place, Request request) {
  return run_reply_as_far_as_it_goes(place, std::move(request),
                                     {ReplyText::kKept, ReplyLogits::kDigested, {}});
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
    place.console.note(
        explain_match(reply.result.stats.match, opened.model->tokenizer(), sharing_of(options.common)));
  }
  if (!reply.result.status.ok()) return reply.result.status;
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
  CAIRN_RETURN_IF_ERROR(failures_of(all));
  const bool is_stopped = std::ranges::any_of(
      all.list, [](const Continuation& one) { return one.reason == FinishReason::kCancelled; });
  return is_stopped ? ExitCode::kInterrupted : ExitCode::kDone;
}

// How many sequences run at once is what --samples and --beams ask for.
Status with_sequence_flag(const GenerateOptions& options, const Status& status) {
  return with_flag(status, "max_sequences", options.beam_count > 0 ? "--beams" : "--samples");
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
  Result<OpenModel> opened_or_not = open_model(options.common, console, max_sequences);
  if (!opened_or_not.ok()) return with_sequence_flag(options, opened_or_not.status());
  const OpenModel opened = std::move(opened_or_not).value();
  CAIRN_ASSIGN_OR_RETURN(const Prompt prompt,
                         make_prompt(options.prompt, std::move(text), opened.model->tokenizer()));
  const EngineOptions& engine_choices = opened.engine_options;
  const auto engine = Engine::create(opened.model, *opened.threads, engine_choices);
  if (!engine.ok()) return with_sequence_flag(options, engine.status());

  const uint64_t seed = options.sampling.seed.value_or(fresh_seed());
  Request request{.prompt = prompt.tokens, .max_tokens = options.max_tokens};
  apply_sampling(options.sampling, seed, request);
  console.note(describe_choices(opened, engine_choices, (*engine)->cache()) + fmt::format(", seed {}", seed));

  const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
  const Generation generation{opened, engine_choices, prompt, seed, {**engine, console, interrupt}};
  if (engine_choices.max_sequences > 1 || options.beam_count > 0) {
    return generate_many(options, generation, request);
  }
  return generate_one(options, generation, std::move(request));
}

}  // namespace cairn
