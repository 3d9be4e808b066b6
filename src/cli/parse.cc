#include "cli/parse.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <array>

#include "cli/bench_pages.h"
#include "cli/chat_options.h"
#include "cli/foreign_words.h"
#include "cli/help_text.h"
#include "cli/man_page.h"
#include "cli/option_groups.h"
#include "cli/option_values.h"
#include "cli/parse_with.h"

namespace cairn {
namespace {

// A search takes the most likely texts: what says how to draw would be ignored. A temperature of 0 draws nothing.
void refuse_draws_with_beams(const CLI::App& app, const GenerateOptions& options) {
  if (options.beam_count == 0) return;
  for (const char* name : {"--temp", "--top-k", "--top-p", "--min-p", "--seed"}) {
    const bool draws = std::string_view(name) != "--temp" || options.sampling.temperature != 0;
    if (app.count(name) == 0 || !draws) continue;
    throw CLI::ValidationError("--beams",
                               std::string("finds the most likely texts and draws none: leave out ") + name);
  }
}

Result<Command> parse_generate(Arguments arguments) {
  return parse_with<GenerateOptions>(
      "cairn generate", "Continues a prompt.", kGenerateExamples, arguments,
      [](CLI::App& app, GenerateOptions& options) {
        add_text_options(app, options.prompt);
        add_token_list_option(app, "--prompt-tokens", options.prompt.tokens,
                              "The prompt as token ids: 1,2,3");
        add_token_limit_option(
            app, options.max_tokens, 0,
            "Tokens to generate at most; -1: until the context is full (default: 512; with --endless -1)");
        take_count(
            app.add_option("--samples", options.sample_count, "Texts to generate side by side (default: 1)"),
            1, kMostSequences);
        take_count(app.add_option("--beams,--num-beams", options.beam_count,
                                  "Find this many of the most likely texts; nothing is drawn"),
                   1, kMostSequences);
        add_common_options(app, options.common);
        add_storage_options(app, options.common);
        add_speculate_options(app, options.common);
        add_tier_options(app, options.common.tiers);
        add_endless_option(app, options.common.context);
        add_json_option(app, options.common.output_form);
        add_explain_option(app, options.explains);
        add_sampling_options(app, options.sampling);
        app.final_callback([&app, &options] {
          refuse_draws_with_beams(app, options);
          if (is_endless(options.common) && app.count("--max-tokens") == 0) options.max_tokens.reset();
        });
      });
}

Result<Command> parse_chat(Arguments arguments) {
  return parse_with<ChatOptions>("cairn chat", "Chats, turn by turn; earlier turns stay in the cache.",
                                 kChatExamples, arguments, add_chat_options);
}

Result<Command> parse_tokenize(Arguments arguments) {
  return parse_with<TokenizeOptions>(
      "cairn tokenize", "Shows a text's tokens: id and piece.", kTokenizeExamples, arguments,
      [](CLI::App& app, TokenizeOptions& options) {
        using Form = TokenizeOptions::Form;
        add_text_options(app, options.input);
        add_token_list_option(app, "--decode", options.decode, "Show the text of these ids instead: 1,2,3");
        add_model_option(app, options.model_path);
        add_pre_option(app, options.tokenizer);
        app.add_flag_callback(
            "--no-bos", [&options] { options.bos_eos = BosEos::kNone; },
            "Without the token that the model expects before a text");
        app.add_flag_callback(
            "--special", [&options] { options.special_text = SpecialText::kParsed; },
            "Read names of special tokens as those tokens (with --decode: show them)");
        app.add_flag_callback(
            "--ids", [&options] { options.form = Form::kIds; },
            "Only the ids, as --prompt-tokens takes them");
        app.add_flag_callback(
            "--json", [&options] { options.form = Form::kJson; },
            "Print one JSON object on standard output, nothing else");
      });
}

Result<Command> parse_model_synth(Arguments arguments) {
  std::string shapes;
  for (const std::string_view name : synth_shape_names()) shapes += "\n  " + std::string(name);
  const std::string footer = std::string(kSynthExamples) + "\nShapes:" + shapes;
  auto command = parse_with<ModelSynthOptions>(
      "cairn model synth", "Writes a model file of a real shape, with random weights.", footer.c_str(),
      arguments, [](CLI::App& app, ModelSynthOptions& options) {
        app.add_option("--shape", options.synth.shape, "One of the shapes below")->type_name("NAME");
        add_tensor_type_option(
            app, "--type", [&options](TensorType type) { options.synth.type = type; },
            "Type of the matrices: " + tensor_type_names() + " (default: q8_0)");
        take_count(app.add_option("-c,--context", options.synth.context_length,
                                  "Context instead of the shape's own"),
                   1);
        add_seed_option(app, "The same seed gives the same file (default: 1)",
                        [&options](uint64_t seed) { options.synth.seed = seed; });
        app.add_flag_callback(
            "--force", [&options] { options.existing = ModelSynthOptions::Existing::kIsReplaced; },
            "Replace the file where there is one");
        app.add_option("OUT.gguf", options.path, "The file to write");
      });
  if (!command.ok()) return command;
  const auto* options = std::get_if<ModelSynthOptions>(&*command);
  if (options == nullptr) return command;
  if (options->synth.shape.empty()) {
    return invalid_argument("cairn model synth needs --shape NAME; the shapes are:" + shapes);
  }
  if (options->path.empty()) return invalid_argument("cairn model synth needs the name of the file to write");
  return command;
}

Result<Command> parse_model(Arguments arguments) {
  if (!arguments.empty() && arguments.front() == "synth") return parse_model_synth(arguments.subspan(1));
  return parse_with<ModelInfoOptions>(
      "cairn model", "Shows what is in a model file, what ends its replies, and what Cairn assumes about it.",
      kModelExamples, arguments, [](CLI::App& app, ModelInfoOptions& options) {
        using What = ModelInfoOptions::What;
        add_model_option(app, options.model_path);
        add_pre_option(app, options.tokenizer);
        app.add_flag_callback(
            "--path", [&options] { options.what = What::kPath; }, "Only the path of the file");
        app.add_flag_callback(
            "--metadata", [&options] { options.what = What::kMetadata; }, "All keys and values of the file");
        add_json_option(app, options.output_form);
      });
}

Result<Command> parse_verify(Arguments arguments) {
  return parse_with<VerifyOptions>(
      "cairn verify", "Checks on your model and machine that the cache changes no bit of any result.",
      kVerifyExamples, arguments, [](CLI::App& app, VerifyOptions& options) {
        add_common_options(app, options.common);
        add_json_option(app, options.common.output_form);
        take_count(
            app.add_option("-n,--positions", options.position_count, "Positions to compare in each row"), 2);
        app.add_flag_callback(
            "--families", [&options] { options.scope = VerifyScope::kFamilies; },
            "Also check synthetic models: a tiny one of each family, and every weight type");
        add_seed_option(app, "Seed of the generated prompt (default: 1)",
                        [&options](uint64_t seed) { options.seed = seed; });
      });
}

struct Verb {
  std::string name;
  Result<Command> (*parse)(Arguments);
};

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> all{
      {"generate", parse_generate}, {"chat", parse_chat},      {"tokenize", parse_tokenize},
      {"model", parse_model},       {"plan", parse_plan},      {"verify", parse_verify},
      {"bench", parse_bench},       {"key", parse_key},        {"cache", parse_cache},
      {"serve", parse_serve},       {"explain", parse_explain}};
  return all;
}

Status unknown_verb(const std::string& word) {
  const std::string kind = word.starts_with('-') ? "option" : "command";
  const std::string message = "there is no " + kind + " '" + word + "'; cairn --help lists them";
  if (const auto hint = hint_for_command(word))
    return invalid_argument(fmt::format("{}; try {}", message, *hint));
  std::vector<std::string> names;
  for (const Verb& verb : verbs()) names.push_back(verb.name);
  return invalid_argument(with_nearest(message, word, names));
}

bool asks_for_help(std::string_view word) { return word == "--help" || word == "-h" || word == "help"; }

// `cairn help model synth` is `cairn model synth --help`.
Result<Command> parse_verb(Arguments arguments) {
  const auto found = std::ranges::find(verbs(), arguments.front(), &Verb::name);
  if (found == verbs().end()) return unknown_verb(arguments.front());
  return found->parse(arguments.subspan(1));
}

// What --help says of every command, for the manual page.
Result<Command> show_man_page() {
  std::vector<std::vector<std::string>> commands;
  for (const Verb& verb : verbs()) commands.push_back({verb.name});
  commands.insert(commands.end(), {{"model", "synth"}, {"key", "new"}, {"key", "list"}});
  for (const std::string& name : cache_subcommand_names()) commands.push_back({"cache", name});
  for (const BenchPage& page : bench_pages()) commands.push_back({"bench", std::string(page.name)});
  std::vector<HelpPage> pages;
  for (std::vector<std::string>& words : commands) {
    const std::string name = fmt::format("{}", fmt::join(words, " "));
    words.emplace_back("--help");
    CAIRN_ASSIGN_OR_RETURN(const Command shown, parse_verb(words));
    pages.push_back({name, std::get<ShowText>(shown).text});
  }
  return Command(ShowText{man_page(overview_text(), pages)});
}

}  // namespace

Result<Command> parse_command(std::span<const std::string> arguments) {
  if (arguments.empty()) return Command(ShowText{overview_text()});
  const std::string& word = arguments.front();
  if (word == "--version") return Command(ShowText{version_text()});
  if (!asks_for_help(word)) return parse_verb(arguments);
  if (arguments.size() == 2 && arguments[1] == "--man") return show_man_page();  // the build asks for it
  if (arguments.size() == 1 || asks_for_help(arguments[1])) return Command(ShowText{overview_text()});
  std::vector<std::string> asked(arguments.begin() + 1, arguments.end());
  asked.emplace_back("--help");
  return parse_verb(asked);
}

}  // namespace cairn
