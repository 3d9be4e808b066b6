#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/open_model.h"
#include "cli/option_values.h"
#include "cli/output_format.h"

namespace cairn {
namespace {

constexpr size_t kLongestPiece = 200;  // characters of one token's text; real ones are far shorter

std::string ids_line(const std::vector<TokenId>& tokens) { return format_token_list(tokens) + "\n"; }

std::string as_table(const std::vector<TokenId>& tokens, const Tokenizer& tokenizer) {
  Table table({{"id", Align::kRight}, {"piece", Align::kLeft}});
  for (const TokenId token : tokens) {
    const std::string piece = printable(tokenizer.token_text(token), kLongestPiece);
    table.add_row({fmt::format("{}", token), fmt::format("'{}'", piece)});
  }
  return table.aligned();
}

std::string as_json(const std::vector<TokenId>& tokens, std::string_view text, const Tokenizer& tokenizer) {
  boost::json::array ids, pieces;
  for (const TokenId token : tokens) {
    ids.emplace_back(token);
    pieces.emplace_back(json_text(tokenizer.token_text(token)));
  }
  return json_line({{"text", json_text(text)},
                    {"token_count", tokens.size()},
                    {"tokens", std::move(ids)},
                    {"pieces", std::move(pieces)}});
}

std::string in_form(TokenizeOptions::Form form, const std::vector<TokenId>& tokens, std::string_view text,
                    const Tokenizer& tokenizer) {
  switch (form) {
    case TokenizeOptions::Form::kIds: return ids_line(tokens);
    case TokenizeOptions::Form::kJson: return as_json(tokens, text, tokenizer);
    case TokenizeOptions::Form::kTable: break;
  }
  return as_table(tokens, tokenizer);
}

Status decode(const TokenizeOptions& options, const Tokenizer& tokenizer, Console& console) {
  for (const TokenId token : *options.decode) {
    if (token < tokenizer.vocab_size()) continue;
    return invalid_argument(fmt::format("--decode: there is no token {}: the vocabulary has {} (0 to {})",
                                        token, tokenizer.vocab_size(), tokenizer.vocab_size() - 1));
  }
  const auto special =
      options.special_text == SpecialText::kParsed ? SpecialOutput::kShow : SpecialOutput::kHide;
  const std::string text = tokenizer.decode(*options.decode, {.special_output = special});
  if (options.form == TokenizeOptions::Form::kTable) {
    console.write_foreign(text + "\n");
  } else {
    console.write(in_form(options.form, *options.decode, text, tokenizer));
  }
  return {};
}

}  // namespace

Status run_tokenize(const TokenizeOptions& options, Console& console) {
  if (options.decode.has_value() && (options.input.text.has_value() || options.input.file.has_value())) {
    return invalid_argument("--decode takes ids, -p and -f take text: give one of them");
  }
  std::string text;
  if (!options.decode.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(text, read_prompt_text(options.input));
  }
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path({.model_path = options.model_path}));
  CAIRN_ASSIGN_OR_RETURN(const Tokenizer tokenizer, open_tokenizer(path, options.tokenizer));
  print_notes(tokenizer.notes(), console);
  if (options.decode.has_value()) return decode(options, tokenizer, console);

  CAIRN_ASSIGN_OR_RETURN(const auto tokens, tokenizer.encode(text, {.bos_eos = options.bos_eos,
                                                                    .special_text = options.special_text}));
  console.write(in_form(options.form, tokens, text, tokenizer));
  if (options.form == TokenizeOptions::Form::kTable) console.note(fmt::format("{} tokens", tokens.size()));
  return {};
}

}  // namespace cairn
