// The parser of cairn bench serve.
#include <map>

#include "cli/bench_pages.h"
#include "cli/bench_serve.h"
#include "cli/option_groups.h"
#include "cli/parse_with.h"

namespace cairn {
namespace {

void add_server_options(CLI::App& app, BenchServeOptions& options) {
  app.add_option("--url", options.url, "Of the server (default: http://127.0.0.1:8080)")->type_name("URL");
  app.add_option("--api-key", options.api_key, "Sent as a bearer token")->type_name("KEY");
  app.add_option("--certificates", options.certificates,
                 "Trust the certificates of this PEM file, not the system's (https)")
      ->type_name("FILE");
  app.add_option("--model", options.model, "Name of the model (default: the first that the server lists)")
      ->type_name("NAME");
  app.add_flag_callback(
      "--chat", [&options] { options.face = ServerFace::kChat; },
      "Ask /v1/chat/completions, not /v1/completions");
  app.add_flag("--ignore-eos", options.ignores_end,
               "Ask for answers of full length (ignore_eos, where the server knows it)");
}

void add_lengths_option(CLI::App& app, const std::string& name, Lengths& lengths, const std::string& help) {
  app.add_option_function<std::string>(
         name,
         [name, &lengths](const std::string& text) { lengths = value_or_throw(name, Lengths::parse(text)); },
         help)
      ->type_name("LENGTH");
}

void add_load_options(CLI::App& app, LoadOptions& load) {
  auto* rate = app.add_option("--rate", load.rate, "Requests a second, at random moments (Poisson)");
  rate->check(CLI::Range(1e-6, 1e6).description(""))->type_name("R");
  auto* users = app.add_option("--users", load.users,
                               "Users that each wait for an answer before they ask again (default: 1)");
  take_count(users, 1, 100'000);
  take_count(app.add_option("--requests", load.request_count,
                            "Requests in all (default: 50; with --seconds: no end)"),
             1);
  app.add_option("--seconds", load.seconds, "Send nothing after this time")
      ->check(CLI::Range(1e-3, 1e7).description(""))
      ->type_name("S");
  add_lengths_option(app, "--prompt-words", load.prompt_words, "Words of each prompt's own (default: 100)");
  add_lengths_option(app, "--answer-tokens", load.answer_tokens, "max_tokens of each (default: 64)");
  app.add_option("--shared-prefix", load.shared_share,
                 "Share of the prompts that begin with one common prefix, 0 to 1 (default: 0)")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->type_name("SHARE");
  take_count(app.add_option("--prefix-words", load.prefix_words, "Words of that prefix (default: 500)"), 1,
             1'000'000);
  app.add_option("--trace", load.trace_path, "Requests from a file, one JSON object a line")
      ->type_name("FILE");
  add_seed_option(app, "Seed of lengths, words and arrivals (default: 1)",
                  [&load](uint64_t seed) { load.seed = seed; });
}

void add_report_options(CLI::App& app, BenchServeOptions& options) {
  const auto positive = CLI::Range(1e-3, 1e9).description("");
  app.add_option("--slo-ttft", options.slo_ttft_ms, "Goodput: the first token within so many ms")
      ->check(positive)
      ->type_name("MS");
  app.add_option("--slo-tpot", options.slo_tpot_ms, "Goodput: at most so many ms a token after the first")
      ->check(positive)
      ->type_name("MS");
  add_json_option(app, options.output_form);
  app.add_flag_callback(
      "--csv", [&options] { options.table_form = TableForm::kCsv; }, "Print one row of CSV");
}

}  // namespace

Result<Command> parse_bench_serve(Arguments arguments) {
  const BenchPage& page = *bench_page("serve");
  const std::string footer(page.explanation);
  return parse_with<BenchServeOptions>("cairn bench serve", std::string(page.what), footer.c_str(), arguments,
                                       [](CLI::App& app, BenchServeOptions& options) {
                                         add_server_options(app, options);
                                         add_load_options(app, options.load);
                                         add_report_options(app, options);
                                       });
}

}  // namespace cairn
