// Groups of options that several commands share, added to a CLI11 parser. Used by parse.cc only.
// The struct given must live until the parser is done: it is filled while arguments are read.
#pragma once

#include <optional>
#include <string>

#include "cli/common_options.h"
#include "cli/prompt.h"
#include "cli/sampling_options.h"

namespace CLI {
class App;
}

namespace cairn {

void add_model_option(CLI::App& app, std::optional<std::string>& model_path);
void add_json_option(CLI::App& app, OutputForm& form);
// -m, -t, --isa, --cache, --kv, -c, --prefill-chunk; not --json.
void add_common_options(CLI::App& app, CommonOptions& common);
// -p, -f.
void add_text_options(CLI::App& app, PromptOptions& prompt);
// --temp and its like, --stop, --logit-bias, --ignore-eos.
void add_sampling_options(CLI::App& app, SamplingOptions& sampling);
// An option whose value is a list of token ids.
void add_token_list_option(CLI::App& app, const std::string& name,
                           std::optional<std::vector<TokenId>>& tokens, const std::string& help);

}  // namespace cairn
