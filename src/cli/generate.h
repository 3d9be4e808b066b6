// cairn generate: a prompt goes in, text comes out as it is made.
#pragma once

#include "cli/common_options.h"
#include "cli/exit_code.h"
#include "cli/prompt.h"
#include "cli/sampling_options.h"

namespace cairn {

class Console;

struct GenerateOptions {
  CommonOptions common;
  PromptOptions prompt;
  SamplingOptions sampling;
  int64_t sample_count = 1;  // --samples: so many texts side by side
  int64_t beam_count = 0;    // --beams: the likeliest texts by beam search; 0: none
  bool explains = false;     // --explain: how the prompt was matched with the cache
  int64_t max_tokens = 512;  // -n: enough for a page; a model that never ends should not run for an hour
};

Result<ExitCode> run_generate(const GenerateOptions& options, Console& console);

}  // namespace cairn
