#include "cli/parse.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>

#include "cli/chat_options.h"
#include "cli/foreign_words.h"
#include "cli/help_text.h"
#include "cli/option_groups.h"
#include "cli/option_values.h"
#include "engine/memory_plan.h"
#include "model/published_shapes.h"

namespace cairn {
namespace {

using Arguments = std::span<const std::string>;

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::string with_nearest(const std::string& message, std::string_view word,
                         std::span<const std::string> names) {
  const auto nearest = nearest_name(word, names);
  return nearest.has_value() ? message + "; did you mean " + *nearest + "?" : message;
}

// An option's first short and first long name; the others are aliases, which need no place in the help.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    if (is_positional) return CLI::Formatter::make_option_name(option, is_positional);
    std::string names;
    if (!option->get_snames().empty()) names = "-" + option->get_snames().front();
    if (option->get_lnames().empty()) return names;
    return names + (names.empty() ? "--" : ",--") + option->get_lnames().front();
  }

  // CLI11 keeps what an option excludes in the order of addresses: it is named in the order of names.
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string words = CLI::Formatter::make_option_opts(option);
    std::vector<std::string> excluded;
    for (const CLI::Option* other : option->get_excludes()) excluded.push_back(other->get_name());
    if (excluded.empty()) return words;
    std::ranges::sort(excluded);
    return words.substr(0, words.find(" Excludes:")) +
           fmt::format(" (not with {})", fmt::join(excluded, ", "));
  }
};

// Before the parser looks: it would take "-ngl" for -n with the value "gl". What follows -p and its like is text.
Status check_foreign_words(const CLI::App& app, Arguments arguments) {
  constexpr std::array<std::string_view, 4> kBeforeTexts{"-p", "--prompt", "--stop", "--system"};
  const std::vector<std::string> ours = option_names(app);
  bool is_text = false;
  for (const std::string& word : arguments) {
    const std::string name = word.substr(0, word.find('='));
    const auto hint = is_text ? std::nullopt : hint_for_option(name);
    if (hint.has_value() && std::ranges::find(ours, name) == ours.end()) {
      return invalid_argument(fmt::format("{} has no option '{}': {}", app.get_name(), name, *hint));
    }
    is_text = std::ranges::find(kBeforeTexts, word) != kBeforeTexts.end();
  }
  return {};
}

// Runs a parser that one of the functions below has set up.
Result<Command> run_parser(CLI::App& app, Arguments arguments, const Command& command) {
  CAIRN_RETURN_IF_ERROR(check_foreign_words(app, arguments));
  app.allow_extras();
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(34);
  app.get_formatter()->label("OPTIONS", "options");
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return Command(ShowText{app.help()});
  } catch (const CLI::ParseError& error) {
    return invalid_argument(std::string(error.what()) + " (" + app.get_name() + " --help explains)");
  }
  const std::vector<std::string> unknown = app.remaining();
  if (unknown.empty()) return command;

  const auto option =
      std::ranges::find_if(unknown, [](const std::string& word) { return word.starts_with('-'); });
  const std::string& word = option == unknown.end() ? unknown.front() : *option;
  const std::string what = option == unknown.end() ? " expects no argument '" : " has no option '";
  const std::string name = word.substr(0, word.find('='));
  return invalid_argument(with_nearest(app.get_name() + what + word + "'", name, option_names(app)));
}

// A limit that nothing keeps would be a surprise, on a small machine a costly one.
Status check_options(const CommonOptions& options) {
  const bool is_sizable =
      options.storage == KvStorageKind::kPaged || options.storage == KvStorageKind::kGrowing;
  if (is_sizable || !options.kv_memory_bytes.has_value()) return {};
  return invalid_argument(
      fmt::format("--kv-memory limits the caches paged and growing; with --cache {} leave it out: {}",
                  kv_storage_kind_name(options.storage),
                  options.storage == KvStorageKind::kNone
                      ? "that keeps nothing between steps"
                      : "that takes memory for whole contexts, so a shorter --context limits it"));
}

// The parsers fill the options that stand in `command`, so it is copied only when they are done.
template <typename Options, typename AddOptions>
Result<Command> parse_with(const std::string& name, const std::string& what, const char* examples,
                           Arguments arguments, const AddOptions& add_options) {
  CLI::App app(what, name);
  app.footer(examples);
  app.option_defaults()->group("Options");
  Command command = Options{};
  add_options(app, std::get<Options>(command));
  auto parsed = run_parser(app, arguments, command);
  if (!parsed.ok() || !std::holds_alternative<Options>(*parsed)) return parsed;
  if constexpr (requires(const Options& options) { options.common; }) {
    CAIRN_RETURN_IF_ERROR(check_options(std::get<Options>(*parsed).common));
  }
  if constexpr (requires(const Options& options) { options.sampling; }) {
    CAIRN_RETURN_IF_ERROR(check_sampling(std::get<Options>(*parsed).sampling));
  }
  if constexpr (requires(const Options& options) { options.settings.sampling; }) {
    CAIRN_RETURN_IF_ERROR(check_sampling(std::get<Options>(*parsed).settings.sampling));
  }
  return parsed;
}

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
        add_token_limit_option(app, options.max_tokens, 0,
                               "Tokens to generate at most; -1: until the context is full (default: 512)");
        take_count(
            app.add_option("--samples", options.sample_count, "Texts to generate side by side (default: 1)"),
            1, kMostSequences);
        take_count(app.add_option("--beams,--num-beams", options.beam_count,
                                  "Find this many of the most likely texts; nothing is drawn"),
                   1, kMostSequences);
        add_common_options(app, options.common);
        add_json_option(app, options.common.output_form);
        add_explain_option(app, options.explains);
        add_sampling_options(app, options.sampling);
        app.final_callback([&app, &options] { refuse_draws_with_beams(app, options); });
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

Result<Command> parse_bench(Arguments arguments) {
  return parse_with<BenchOptions>(
      "cairn bench", "Measures this machine, and the engine on it.", kBenchExamples, arguments,
      [](CLI::App& app, BenchOptions& options) {
        const std::map<std::string, BenchSubject> subjects{{"all", BenchSubject::kAll},
                                                           {"cache", BenchSubject::kCache},
                                                           {"speed", BenchSubject::kSpeed},
                                                           {"depth", BenchSubject::kDepth},
                                                           {"shared", BenchSubject::kShared},
                                                           {"codecs", BenchSubject::kCodecs},
                                                           {"scheduler", BenchSubject::kScheduler}};
        app.add_option_function<std::string>(
            "WHAT",
            [subjects, &options](const std::string& name) {
              const auto found = subjects.find(name);
              if (found == subjects.end()) {
                throw CLI::ValidationError(
                    "cairn bench", "there is no bench '" + name +
                                       "': choose cache, speed, depth, shared, codecs, scheduler or all");
              }
              options.subject = found->second;
            },
            "cache, speed, depth, shared, codecs, scheduler or all (default: all but scheduler)");
        app.add_option("-f,--file", options.text_file, "codecs: a text to compare them on")
            ->type_name("FILE");
        add_common_options(app, options.common);
        app.add_flag("--every-codec", options.every_codec,
                     "depth: measure every codec, not only the common ones")
            ->excludes("--kv");
        add_json_option(app, options.common.output_form);
        app.add_flag_callback(
            "--csv", [&options] { options.table_form = TableForm::kCsv; }, "Print tables as CSV");
      });
}

std::string known_preset(const std::string& name) {
  const std::vector<std::string> names(published_shape_names().begin(), published_shape_names().end());
  if (std::ranges::find(names, name) != names.end()) return name;
  std::string message = "there is no preset '" + name + "'";
  if (const auto nearest = nearest_name(name, names)) message += "; did you mean " + *nearest + "?";
  std::string all;
  for (const std::string& known : names) all += (all.empty() ? "" : ", ") + known;
  throw CLI::ValidationError("--preset", message + " (there are " + all + ")");
}

void add_plan_options(CLI::App& app, PlanOptions& options) {
  CLI::Option* model = app.add_option("-m,--model", options.model_path,
                                      "GGUF file or Hugging Face folder (default: the demo model)")
                           ->type_name("PATH");
  CLI::Option* config =
      app.add_option("--config", options.config_path, "A config.json, without weights")->type_name("FILE");
  CLI::Option* preset =
      app.add_option_function<std::string>(
             "--preset", [&options](const std::string& name) { options.preset = known_preset(name); },
             "One of the published shapes below")
          ->type_name("NAME");
  model->excludes(config, preset);
  config->excludes(preset);
  take_count(app.add_option("-c,--context", options.context,
                            "Positions of a sequence (default: the model's, at most 8192)"),
             1);
  add_extend_context_option(app, options.context_limit);
  take_count(app.add_option("--sequences", options.sequences, "Sequences, or users, at once (default: 1)"),
             1);
  add_kv_plan_option(app, options.kv_plan);
  add_tensor_type_option(
      app, "--weights", [&options](TensorType type) { options.weights_type = type; },
      "Plan with weights of this type: " + tensor_type_names() + " (default: their own; presets: f16)");
  take_count(app.add_option("--kv-heads", options.kv_head_count, "Plan with this many KV heads"), 1);
  take_count(app.add_option("--shared-prefix", options.shared_prefix,
                            "Positions that all sequences begin with, kept once"),
             0);
  add_prefill_chunk_option(app, options.prefill_chunk);
  add_thread_option(app, options.thread_count);
  add_json_option(app, options.output_form);
}

Result<Command> parse_plan(Arguments arguments) {
  std::string presets;
  for (const std::string_view name : published_shape_names()) presets += "\n  " + std::string(name);
  const std::string footer = std::string(kPlanExamples) + "\nPresets:" + presets;
  return parse_with<PlanOptions>("cairn plan",
                                 "Shows how much memory a model will need, before it is loaded.",
                                 footer.c_str(), arguments, add_plan_options);
}

}  // namespace

namespace {

struct Verb {
  std::string name;
  Result<Command> (*parse)(Arguments);
};

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> all{{"generate", parse_generate}, {"chat", parse_chat},
                                     {"tokenize", parse_tokenize}, {"model", parse_model},
                                     {"plan", parse_plan},         {"verify", parse_verify},
                                     {"bench", parse_bench}};
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

}  // namespace

Result<Command> parse_command(std::span<const std::string> arguments) {
  if (arguments.empty()) return Command(ShowText{overview_text()});
  const std::string& word = arguments.front();
  if (word == "--version") return Command(ShowText{version_text()});
  if (!asks_for_help(word)) return parse_verb(arguments);
  if (arguments.size() == 1) return Command(ShowText{overview_text()});
  std::vector<std::string> asked(arguments.begin() + 1, arguments.end());
  asked.emplace_back("--help");
  return parse_verb(asked);
}

}  // namespace cairn
