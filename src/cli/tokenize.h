// cairn tokenize: text to token ids and their pieces, and back. Loads no weights.
#pragma once

#include "cairn/status.h"
#include "cli/common_options.h"
#include "cli/prompt.h"

namespace cairn {

class Console;

struct TokenizeOptions {
  std::optional<std::string> model_path;
  PromptOptions input;                               // text or file
  std::optional<std::vector<TokenId>> decode;        // --decode: ids instead of a text
  BosEos bos_eos = BosEos::kAsModelSays;             // --no-bos
  SpecialText special_text = SpecialText::kLiteral;  // --special; with --decode: their names are shown
  enum class Form : uint8_t { kTable, kIds, kJson } form = Form::kTable;
};

Status run_tokenize(const TokenizeOptions& options, Console& console);

}  // namespace cairn
