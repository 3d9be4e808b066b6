// Groups of options that several commands share, added to a CLI11 parser. Used by parse.cc only.
// The struct given must live until the parser is done: it is filled while arguments are read.
#pragma once

#include <CLI/Error.hpp>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/request_options.h"
#include "kernels/weights/tensor_type.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace cairn {

// Errors of our own parsers become errors of CLI11.
template <typename T>
T value_or_throw(const std::string& option, Result<T> result) {
  if (!result.ok()) throw CLI::ValidationError(option, result.status().message());
  return std::move(result).value();
}

// Shows `option`'s value as N, and accepts `least` to `most`.
inline constexpr int64_t kMostOfACount = int64_t{1} << 31;
void take_count(CLI::Option* option, int64_t least, int64_t most = kMostOfACount);

// -n: how many tokens may be generated, `least` or more; -1: until the context is full (absent).
void add_token_limit_option(CLI::App& app, std::optional<int64_t>& limit, int64_t least,
                            const std::string& help);

// --seed: any number of 64 bits.
CLI::Option* add_seed_option(CLI::App& app, const std::string& help, std::function<void(uint64_t)> take);

// For CLI::Validator: what is wrong with a path that was given; empty where nothing is.
[[nodiscard]] std::string empty_path_problem(const std::string& path);

void add_model_option(CLI::App& app, std::optional<std::string>& model_path);
// --pre.
void add_pre_option(CLI::App& app, TokenizerOptions& tokenizer);
void add_json_option(CLI::App& app, OutputForm& form);
// -t, --kv and --prefill-chunk by themselves.
void add_thread_option(CLI::App& app, std::optional<int>& thread_count);
void add_kv_plan_option(CLI::App& app, std::optional<KvPlan>& plan);
void add_extend_context_option(CLI::App& app, ContextLimit& limit);
void add_prefill_chunk_option(CLI::App& app, int64_t& rows);
// An option whose value is the name of a weight type.
void add_tensor_type_option(CLI::App& app, const std::string& name, std::function<void(TensorType)> take,
                            const std::string& help);
// -m, -t, --isa, --kv, -c, --prefill-chunk; not --json.
void add_common_options(CLI::App& app, CommonOptions& common);
// --endless; behind --context.
void add_endless_option(CLI::App& app, std::optional<int64_t>& context);
// --cache, --kv-memory, --no-sharing: for commands that do not choose these themselves.
void add_storage_options(CLI::App& app, CommonOptions& common);
void add_draft_model_option(CLI::App& app, std::optional<std::string>& draft_model);
// --speculate, --draft-model.
void add_speculate_options(CLI::App& app, CommonOptions& common);
// --kv-remote, --kv-remote-ca. `group`: the heading they stand under; empty: the usual one.
void add_remote_store_options(CLI::App& app, std::vector<std::string>& urls,
                              std::optional<std::string>& certificates, const std::string& help,
                              const std::string& group = {});
// --kv-disk, --kv-disk-size, --kv-remote, --kv-remote-ca, --kv-load.
void add_tier_options(CLI::App& app, TierSettings& tiers);
// -p, -f.
void add_text_options(CLI::App& app, PromptOptions& prompt);
// --explain.
void add_explain_option(CLI::App& app, bool& explains);
// --temp and its like, --stop, --logit-bias, --ignore-eos.
void add_sampling_options(CLI::App& app, SamplingOptions& sampling);
// An option whose value is a list of token ids.
void add_token_list_option(CLI::App& app, const std::string& name,
                           std::optional<std::vector<TokenId>>& tokens, const std::string& help);

}  // namespace cairn
