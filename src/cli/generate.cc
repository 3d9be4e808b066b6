// cairn generate.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "base/machine.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/continuations.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/reply.h"
#include "cli/terminal_input.h"
#include "cli/tier_options.h"
#include "engine/memory_plan.h"
#include "engine/request_check.h"
#include "engine/samples.h"

namespace cairn {
namespace {

// What was asked for, completed when the model's file is known, before its weights are loaded.
struct Asked {
  const GenerateOptions& options;
  std::string text;
  Prompt prompt = {};
  Request request = {};
  uint64_t seed = 0;

  [[nodiscard]] bool wants_many() const { return options.sample_count > 1 || options.beam_count > 0; }
  [[nodiscard]] int64_t sequence_count() const {
    return std::max<int64_t>(options.sample_count, options.beam_count);
  }
  Status complete(const Config& config, const Tokenizer& tokenizer, EngineOptions& engine);
  Status size_cache(const Config& config, EngineOptions& engine) const;
};

Status Asked::complete(const Config& config, const Tokenizer& tokenizer, EngineOptions& engine) {
  CAIRN_ASSIGN_OR_RETURN(prompt, make_prompt(options.prompt, std::move(text), tokenizer));
  request = {.prompt = prompt.tokens, .max_tokens = options.max_tokens};
  if (options.beam_count > 0) {
    apply_to_search(options.sampling, request);
  } else {
    apply_sampling(options.sampling, seed, request);
  }
  CAIRN_RETURN_IF_ERROR(check_request(
      request,
      {.vocab_size = config.vocab_size, .context = engine.context, .context_max = config.context_length}));
  return size_cache(config, engine);
}

// Several texts need the prompt once, and each its own tokens; whole contexts for all of them would be far more.
Status Asked::size_cache(const Config& config, EngineOptions& engine) const {
  const bool is_sizable =
      engine.storage == KvStorageKind::kPaged || engine.storage == KvStorageKind::kGrowing;
  if (!wants_many() || !is_sizable || engine.pool_bytes.has_value() || !request.max_tokens.has_value())
    return {};
  CAIRN_ASSIGN_OR_RETURN(const KvShape shape, kv_shape_of(config, engine.kv_plan, engine.context));
  const SampleSizes sizes{.prompt_tokens = std::ssize(request.prompt),
                          .max_tokens = *request.max_tokens,
                          .count = sequence_count(),
                          .context = engine.context};
  CAIRN_ASSIGN_OR_RETURN(engine.pool_bytes, pool_bytes_of(Engine::cache_options(shape, engine),
                                                          blocks_for(sizes, engine.storage)));
  return {};
}

struct GenerateReport {
  const Asked& asked;
  const OpenModel& opened;
  const Reply& reply;
  uint64_t peak_rss_bytes = 0;
};

// Of --samples and --beams: an object for each text in "continuations".
struct ContinuationsReport {
  const Asked& asked;
  const OpenModel& opened;
  const Continuations& continuations;
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
  const EngineOptions& engine = report.opened.engine_options;
  return {{"model", json_text(report.opened.path)},
          {"family", report.opened.model->config().family},
          {"isa", isa_name(report.opened.kernels->isa)},
          {"threads", report.opened.threads->thread_count()},
          {"context", engine.context == kEndless ? boost::json::value() : boost::json::value(engine.context)},
          {"cache", kv_storage_kind_name(engine.storage)},
          {"kv", engine.kv_plan.text()},
          {"prefill_chunk", engine.prefill_chunk},
          {"speculate", engine.drafter == nullptr ? "off" : engine.drafter->name()},
          {"seed", report.asked.seed},
          {"temperature", report.asked.request.sampling.temperature}};
}

std::string error_text(const Status& status) { return json_text(with_flags(status.message())); }

std::string generate_json(const GenerateReport& report) {
  const Reply& reply = report.reply;
  const RequestStats& stats = reply.result.stats;
  boost::json::object object{
      {"prompt_tokens", stats.prompt_tokens},
      {"prompt_token_ids", ids(report.asked.prompt.tokens)},
      {"tokens", ids(reply.tokens)},
      {"text", reply.text},
      {"finish_reason", finish_reason_name(reply.result.reason)},
      {"logits_sha256", reply.logits_sha256},
      {"sampled_steps", reply.sampled_steps},
      {"ttft_ms", static_cast<double>(stats.ttft_ns) / 1e6},
      {"tpot_ms", stats.tpot_ns / 1e6},
      {"draft_tokens", stats.draft_tokens},
      {"accepted_draft_tokens", stats.accepted_draft_tokens},
      {"kv_bytes", stats.kv_bytes},
      {"kv_pool_bytes", reply.kv_pool_bytes},
      {"peak_rss_bytes", report.peak_rss_bytes},
      {"load_ms", static_cast<double>(report.opened.load_ns) / 1e6},
      {"settings", settings(report)},
  };
  add_cached(stats, object);
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
  return json_line({{"prompt_tokens", report.continuations.prompt_tokens},
                    {"prompt_token_ids", ids(report.asked.prompt.tokens)},
                    {"continuations", std::move(list)},
                    {"ttft_ms", static_cast<double>(report.continuations.ttft_ns) / 1e6},
                    {"token_count", report.continuations.token_count},
                    {"tokens_per_second", report.continuations.tokens_per_second},
                    {"kv_bytes", report.continuations.kv_bytes},
                    {"kv_bytes_without_sharing", report.continuations.kv_bytes_apart},
                    {"peak_rss_bytes", report.peak_rss_bytes},
                    {"load_ms", static_cast<double>(report.opened.load_ns) / 1e6},
                    {"settings", settings(report)}});
}

// Where a prompt is run.
struct Generation {
  const Asked& asked;
  const OpenModel& opened;
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

Result<ExitCode> generate_one(const Generation& generation) {
  const auto& [asked, opened, place] = generation;
  const bool in_json = asked.options.common.output_form == OutputForm::kJson;
  CAIRN_ASSIGN_OR_RETURN(const Reply reply, in_json ? reply_in_json(place, asked.request)
                                                    : reply_in_text(place, asked.prompt, asked.request));
  if (in_json) place.console.write(generate_json({asked, opened, reply, resident_facts().peak_bytes}));
  place.console.note(describe_statistics(reply));
  if (asked.options.explains) {
    explain_reply(place, reply, opened.model->tokenizer(), sharing_of(asked.options.common));
  }
  if (!reply.result.status.ok()) return reply.result.status;
  return reply.result.reason == FinishReason::kCancelled ? ExitCode::kInterrupted : ExitCode::kDone;
}

Result<ExitCode> generate_many(const Generation& generation) {
  const auto& [asked, opened, place] = generation;
  const GenerateOptions& options = asked.options;
  const bool in_json = options.common.output_form == OutputForm::kJson;
  const ReplyText text = in_json ? ReplyText::kKept : ReplyText::kKeptAndWritten;
  CAIRN_ASSIGN_OR_RETURN(
      const Continuations all,
      options.beam_count > 0
          ? run_beams(place, asked.request, opened.model->tokenizer(), {.width = options.beam_count}, text)
          : run_samples(place, asked.request, options.sample_count, text));
  if (in_json) place.console.write(continuations_json({asked, opened, all, resident_facts().peak_bytes}));
  place.console.note(describe_statistics(all));
  CAIRN_RETURN_IF_ERROR(all.failure);
  return all.is_stopped ? ExitCode::kInterrupted : ExitCode::kDone;
}

// How many sequences run at once, and so how much memory there is for them, is what --samples and --beams ask for.
Status with_sequence_flag(const GenerateOptions& options, const Status& status) {
  const std::string flag = options.beam_count > 0 ? "--beams" : "--samples";
  Status named = with_flag(status, "max_sequences", flag);
  const bool is_sized_by_texts = options.common.kv_memory_bytes == std::nullopt &&
                                 std::max(options.sample_count, options.beam_count) > 1;
  if (!is_sized_by_texts) return named;
  return with_flag(named, "kv_memory_bytes", "fewer " + flag + ", a smaller -n, or --kv-memory");
}

}  // namespace

Result<ExitCode> run_generate(const GenerateOptions& options, Console& console) {
  if (options.sample_count > 1 && options.beam_count > 0) {
    return invalid_argument("--samples and --beams are two ways to get several texts: choose one");
  }
  if (options.beam_count > 0 && options.max_tokens == 0) {
    return invalid_argument("--beams needs a token to choose: give -n 1 or more");
  }
  if (is_endless(options.common) && !options.max_tokens.has_value() &&
      (options.sample_count > 1 || options.beam_count > 0)) {
    return invalid_argument(
        "--samples and --beams write their texts when all have ended: with --endless give -n too");
  }
  if (options.beam_count > 0 && guesses_ahead(options.common)) {
    return invalid_argument(
        "--beams compares all that may come next, so nothing is guessed: leave out --speculate and "
        "--draft-model");
  }
  if (options.explains && (options.sample_count > 1 || options.beam_count > 0)) {
    return invalid_argument("--explain speaks of one text: leave out --samples and --beams");
  }
  CAIRN_ASSIGN_OR_RETURN(std::string text, read_prompt_text(options.prompt));
  Asked asked{
      .options = options, .text = std::move(text), .seed = options.sampling.seed.value_or(fresh_seed())};
  const auto complete = [&asked](const Config& config, const Tokenizer& tokenizer, EngineOptions& engine) {
    return asked.complete(config, tokenizer, engine);
  };
  Result<OpenModel> opened = open_model(options.common, console, asked.sequence_count(), complete);
  if (!opened.ok()) return with_sequence_flag(options, opened.status());
  const auto engine = Engine::create(opened->model, *opened->threads, opened->engine_options);
  if (!engine.ok()) return with_sequence_flag(options, engine.status());
  const std::string choices = describe_choices(*opened, opened->engine_options, (*engine)->cache());
  console.note(options.beam_count > 0 ? choices : fmt::format("{}, seed {}", choices, asked.seed));

  const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
  const Generation generation{asked, *opened, {**engine, console, interrupt}};
  Result<ExitCode> code = asked.wants_many() ? generate_many(generation) : generate_one(generation);
  flush_tiers(**engine, opened->engine_options.tiers, console);
  return code;
}

}  // namespace cairn
