#include "cli/option_groups.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>

#include "cli/option_values.h"

namespace cairn {
namespace {

// An option whose text is read by one of our parsers.
template <typename Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, const Parse& parse, const std::string& help) {
  return app.add_option_function<std::string>(name, parse, help);
}

Isa parse_isa(const std::string& name) {
  const auto isa = isa_from_name(name);
  if (isa.has_value()) return *isa;
  std::string names;
  for (const Isa known : available_isas())
    names += (names.empty() ? "" : ", ") + std::string(isa_name(known));
  throw CLI::ValidationError("--isa",
                             "no instruction set is named '" + name + "'; this machine has: " + names);
}

}  // namespace

void take_count(CLI::Option* option, int64_t least, int64_t most) {
  option->check(CLI::Range(least, most).description(""))->type_name("N");
}

void add_token_limit_option(CLI::App& app, std::optional<int64_t>& limit, int64_t least,
                            const std::string& help) {
  const auto parse = [&limit, least](const std::string& text) {
    int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    if (!is_number || (count < least && count != -1) || count > kMostOfACount) {
      throw CLI::ValidationError("--max-tokens", "'" + text +
                                                     "' is no number of tokens: " + std::to_string(least) +
                                                     " or more, or -1 until the context is full");
    }
    limit = count == -1 ? std::nullopt : std::optional(count);
  };
  add_parsed(app, "-n,--max-tokens,--n-predict,--predict,--max-new-tokens", parse, help)->type_name("N");
}

// CLI11 would read -1 as the largest number.
CLI::Option* add_seed_option(CLI::App& app, const std::string& help, std::function<void(uint64_t)> take) {
  const auto parse = [take = std::move(take)](const std::string& text) {
    uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size()) {
      throw CLI::ValidationError("--seed", "'" + text + "' is no number from 0 to 2^64 - 1");
    }
    take(seed);
  };
  return add_parsed(app, "-s,--seed", parse, help)->type_name("N");
}

void add_model_option(CLI::App& app, std::optional<std::string>& model_path) {
  app.add_option("-m,--model", model_path, "GGUF file or Hugging Face folder (default: the demo model)")
      ->type_name("PATH");
}

void add_pre_option(CLI::App& app, TokenizerOptions& tokenizer) {
  app.add_option(
         "--pre", tokenizer.pre,
         "How byte-level BPE splits text into words: a value of GGUF's tokenizer.ggml.pre, such as qwen2 "
         "(default: the file's own)")
      ->type_name("NAME");
}

void add_json_option(CLI::App& app, OutputForm& form) {
  app.add_flag_callback(
      "--json", [&form] { form = OutputForm::kJson; },
      "Print one JSON object on standard output, nothing else");
}

void add_thread_option(CLI::App& app, std::optional<int>& thread_count) {
  constexpr int kThreadsMax = 1024;
  app.add_option("-t,--threads", thread_count, "Threads (default: all usable physical cores)")
      ->check(CLI::Range(1, kThreadsMax).description(""))
      ->type_name("N");
}

void add_kv_plan_option(CLI::App& app, std::optional<KvPlan>& plan) {
  add_parsed(
      app, "--kv", [&plan](const std::string& text) { plan = value_or_throw("--kv", read_kv_plan(text)); },
      "How keys and values are stored: " + kv_format_names() +
          ", k=...,v=..., with window=N or sinks=S,window=N, by layers, or @FILE (default: " +
          KvPlan().text() + ")")
      ->type_name("PLAN");
}

void add_prefill_chunk_option(CLI::App& app, int64_t& rows) {
  take_count(
      app.add_option("--prefill-chunk", rows,
                     "Prompt tokens in a step at most (default: 512; --cache none never cuts a prompt)"),
      1);
}

void add_tensor_type_option(CLI::App& app, const std::string& name, std::function<void(TensorType)> take,
                            const std::string& help) {
  const auto parse = [name, take = std::move(take)](const std::string& text) {
    const auto type = tensor_type_from_name(text);
    if (type.has_value()) return take(*type);
    throw CLI::ValidationError(name,
                               "no tensor type is named '" + text + "'; there are " + tensor_type_names());
  };
  add_parsed(app, name, parse, help)->type_name("NAME");
}

void add_extend_context_option(CLI::App& app, ContextLimit& limit) {
  app.add_flag_callback(
      "--extend-context", [&limit] { limit = ContextLimit::kNone; },
      "Allow a context longer than the model was made for; text gets worse there");
}

void add_common_options(CLI::App& app, CommonOptions& common) {
  add_model_option(app, common.model_path);
  take_count(app.add_option("-c,--context,--ctx-size,--context-size", common.context,
                            "Positions in the context (default: the model's, at most 8192)"),
             1);
  add_extend_context_option(app, common.context_limit);
  add_thread_option(app, common.thread_count);
  add_parsed(
      app, "--isa", [&common](const std::string& name) { common.isa = parse_isa(name); },
      "Instruction set: scalar, neon, avx2, avx512, amx (default: the best here)")
      ->type_name("NAME");
  add_kv_plan_option(app, common.kv_plan);
  add_prefill_chunk_option(app, common.prefill_chunk);
  add_pre_option(app, common.tokenizer);
}

void add_endless_option(CLI::App& app, std::optional<int64_t>& context) {
  app.add_flag_callback(
         "--endless", [&context] { context = kEndless; },
         fmt::format(
             "A text without end, in memory that stays the same: what is older than the window of --kv "
             "is forgotten (without --kv: sinks={},window={}). It ends where the model ends it, or with "
             "Ctrl-C",
             kEndlessRetention.sinks, kEndlessRetention.window))
      ->excludes("--context");
}

void add_storage_options(CLI::App& app, CommonOptions& common) {
  add_parsed(
      app, "--cache",
      [&common](const std::string& name) {
        common.storage = value_or_throw("--cache", parse_kv_storage_kind(name));
      },
      "How keys and values are stored: none, growing, contiguous, paged (default: paged)")
      ->type_name("NAME");
  add_parsed(
      app, "--kv-memory",
      [&common](const std::string& text) {
        common.kv_memory_bytes = value_or_throw("--kv-memory", parse_byte_count(text));
      },
      "Memory for the blocks of paged and growing: 2GiB, 512MiB, ...; more than the context needs keeps more "
      "prompts for later (default: what the context needs)")
      ->type_name("SIZE");
  app.add_flag_callback(
      "--no-sharing", [&common] { common.sharing = PrefixSharing::kOff; },
      "Do not reuse what the cache holds of a prompt");
}

std::string empty_path_problem(const std::string& path) { return path.empty() ? "names no file" : ""; }

void add_draft_model_option(CLI::App& app, std::optional<std::string>& draft_model) {
  app.add_option("--draft-model", draft_model,
                 "Guess tokens ahead by a smaller model with the same vocabulary, too")
      ->check(CLI::Validator(empty_path_problem, ""))
      ->type_name("PATH");
}

void add_speculate_options(CLI::App& app, CommonOptions& common) {
  app.add_option_function<std::string>(
         "--speculate",
         [&speculation = common.speculation](const std::string& name) {
           if (name != "off" && name != "lookup") {
             throw CLI::ValidationError("--speculate", "'" + name + "' is none: off or lookup");
           }
           speculation = name == "off" ? Speculation::kOff : Speculation::kPromptLookup;
         },
         "Guess tokens ahead: lookup, from where the last words stood before. The text is the same, bit by "
         "bit; "
         "what repeats comes faster (default: off)")
      ->type_name("off|lookup");
  add_draft_model_option(app, common.draft_model);
}

void add_remote_store_options(CLI::App& app, std::vector<std::string>& urls,
                              std::optional<std::string>& certificates, const std::string& help,
                              const std::string& group) {
  CLI::Option* remote = app.add_option("--kv-remote", urls,
                                       help +
                                           ": redis://HOST:PORT or rediss://...; given several times: "
                                           "nodes of one Cluster");
  remote->allow_extra_args(false)->type_name("URL");
  CLI::Option* trusted =
      app.add_option("--kv-remote-ca", certificates,
                     "Certificates (PEM) that a rediss:// server's must come from (default: the system's)");
  trusted->needs(remote)->type_name("FILE");
  if (group.empty()) return;
  remote->group(group);
  trusted->group(group);
}

void add_tier_options(CLI::App& app, TierSettings& tiers) {
  const std::string group = "Blocks on disk and in a store (docs/tiers.md)";
  CLI::Option* disk = app.add_option(
      "--kv-disk", tiers.disk, "Keep blocks of the cache in this folder too, and find them there next time");
  disk->type_name("DIR")->group(group);
  add_parsed(
      app, "--kv-disk-size",
      [&tiers](const std::string& text) {
        tiers.disk_bytes = value_or_throw("--kv-disk-size", parse_byte_count(text));
      },
      "Room that they may take there: 50GiB, ... (default: a tenth of what is free, at most 50GiB)")
      ->needs(disk)
      ->type_name("SIZE")
      ->group(group);
  add_remote_store_options(app, tiers.remote, tiers.certificates,
                           "Share blocks with other machines in a Redis server", group);
  app.add_option_function<std::string>(
         "--kv-load",
         [&tiers](const std::string& name) {
           const auto policy = load_policy_from_name(name);
           if (!policy)
             throw CLI::ValidationError("--kv-load", "'" + name + "' is none: auto, always or never");
           tiers.load = *policy;
         },
         "Whether blocks that are kept are loaded: where that is quicker than computing them, always, or "
         "never "
         "(default: auto)")
      ->type_name("auto|always|never")
      ->group(group);
}

void add_text_options(CLI::App& app, PromptOptions& prompt) {
  app.add_option("-p,--prompt", prompt.text, "The text; - reads standard input")->type_name("TEXT");
  app.add_option("-f,--file", prompt.file, "Read the text from a file")->type_name("FILE");
}

void add_explain_option(CLI::App& app, bool& explains) {
  app.add_flag(
      "--explain", explains,
      "Report on standard error how much of the prompt was in the cache, and why not more; and what windows "
      "have let go");
}

void add_sampling_options(CLI::App& app, SamplingOptions& sampling) {
  const std::string group = "How tokens are chosen";
  const auto add_number = [&](const std::string& name, auto& value, const std::string& help) {
    app.add_option(name, value, help)->type_name("N")->group(group);
  };
  add_number("--temp,--temperature", sampling.temperature,
             "Temperature; 0: always the most likely token (default: 0.8)");
  add_number("--top-k", sampling.top_k, "Only the K most likely tokens; 0 or -1: all (default: 40)");
  add_number("--top-p", sampling.top_p, "Only the most likely tokens that together reach P (default: 0.95)");
  add_number("--min-p", sampling.min_p, "Only tokens at least P times as likely as the best (default: 0.05)");
  add_number("--repeat-penalty,--repetition-penalty", sampling.repeat_penalty,
             "Divide the logits of tokens seen before (default: 1)");
  add_number("--frequency-penalty", sampling.frequency_penalty,
             "Subtract this for each occurrence (default: 0)");
  add_number("--presence-penalty", sampling.presence_penalty,
             "Subtract this once from tokens seen before (default: 0)");
  add_seed_option(app, "The same seed gives the same text with the same --isa and build (default: a new one)",
                  [&sampling](uint64_t seed) { sampling.seed = seed; })
      ->group(group);
  app.add_option("--stop", sampling.stop_strings, "Stop before this text; may be given several times")
      ->allow_extra_args(false)
      ->type_name("TEXT")
      ->group(group);
  app.add_option_function<std::vector<std::string>>(
         "--logit-bias",
         [&sampling](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             sampling.logit_bias.push_back(value_or_throw("--logit-bias", parse_logit_bias(text)));
           }
         },
         "Add to a token's logit, or forbid it: 42=-inf; may be given several times")
      ->allow_extra_args(false)
      ->type_name("ID=VALUE")
      ->group(group);
  app.add_flag_callback(
         "--ignore-eos", [&sampling] { sampling.end_tokens = EndTokens::kAreIgnored; },
         "Continue after the model's end token")
      ->group(group);
}

void add_token_list_option(CLI::App& app, const std::string& name,
                           std::optional<std::vector<TokenId>>& tokens, const std::string& help) {
  add_parsed(
      app, name,
      [&tokens, name](const std::string& text) { tokens = value_or_throw(name, parse_token_list(text)); },
      help)
      ->type_name("IDS");
}

}  // namespace cairn
