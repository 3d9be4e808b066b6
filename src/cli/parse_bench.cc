// The parser of cairn bench: a page of help for each bench, which says what its columns mean.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/bench_pages.h"
#include "cli/help_text.h"
#include "cli/option_groups.h"
#include "cli/option_values.h"
#include "cli/parse_with.h"

namespace cairn {
namespace {

void add_table_options(CLI::App& app, BenchOptions& options) {
  add_json_option(app, options.common.output_form);
  app.add_flag_callback(
         "--csv", [&options] { options.table_form = TableForm::kCsv; }, "Print tables as CSV")
      ->excludes("--json");
}

void add_text_file_option(CLI::App& app, BenchOptions& options) {
  app.add_option("-f,--file", options.text_files,
                 "codecs: a text to compare them on; may be given several times")
      ->allow_extra_args(false)
      ->type_name("FILE");
}

void add_every_codec_option(CLI::App& app, BenchOptions& options) {
  app.add_flag("--every-codec", options.every_codec, "Every codec, each axis of keys with each of values")
      ->excludes("--kv");
}

void add_codecs_options(CLI::App& app, BenchOptions& options) {
  add_text_file_option(app, options);
  take_count(app.add_option("-n,--tokens", options.token_count, "Tokens of each file at most (default: all)"),
             1);
  app.add_option_function<std::string>(
         "--reference",
         [&options](const std::string& text) {
           options.reference = value_or_throw("--reference", read_kv_plan(text));
         },
         "The plan whose predictions the others are compared with (default: f32)")
      ->type_name("PLAN");
  app.add_flag_callback(
      "--f32-weights", [&options] { options.weights_form = WeightsForm::kDequantised; },
      "Load the weights as f32: quantised ones round activations, which hides small effects");
  add_every_codec_option(app, options);
}

void add_stream_options(CLI::App& app, BenchOptions& options) {
  app.remove_option(app.get_option("--context"));  // a text without end has none
  app.add_option_function<std::string>(
         "-f,--file", [&options](const std::string& file) { options.text_files = {file}; },
         "A text to decode (default: the model's own)")
      ->type_name("FILE");
  take_count(app.add_option("-n,--tokens", options.token_count,
                            "Tokens of the stream at most (default: all of the file; without one 100000)"),
             10);
}

void add_lengths_option(CLI::App& app, BenchOptions& options) {
  app.add_option("--lengths", options.lengths, "Numbers of tokens to generate (default: 128,512,2048)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(int64_t{1}, kMostOfACount).description(""))
      ->type_name("N,N,...");
}

void add_rounds_option(CLI::App& app, BenchOptions& options) {
  constexpr int64_t kMostRounds = 1000;
  take_count(app.add_option("--rounds", options.rounds, "Rounds that medians are taken of (default: 5)"), 1,
             kMostRounds);
}

void add_depths_option(CLI::App& app, BenchOptions& options) {
  app.add_option(
         "--depths", options.depths,
         "Positions that tokens are measured behind (default: 0,512,2048,8192,16384, as far as they fit)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(int64_t{0}, kMostOfACount).description(""))
      ->type_name("N,N,...");
}

void add_pace_option(CLI::App& app, BenchOptions& options) {
  app.add_option(
         "--pace", options.pace,
         fmt::format("The pace that is compared with none, in percent (default: {}, as cairn serve has it)",
                     kUsualPace))
      ->check(CLI::Range(kLeastPace, kMostPace).description(""))
      ->type_name("PERCENT");
}

void add_growth_options(CLI::App& app, BenchOptions& options) {
  app.add_option("--plot", options.plot_file, "Write a plot of all points to this file, as SVG")
      ->check(CLI::Validator(empty_path_problem, ""))
      ->type_name("FILE");
  constexpr int64_t kLeastBlocks = 1000;
  constexpr int64_t kMostBlocks = 10'000'000;
  take_count(
      app.add_option("--index-blocks", options.index_blocks,
                     "Named blocks in the largest prefix index (default: 1000000, which takes some 350 MiB)"),
      kLeastBlocks, kMostBlocks);
}

Result<Command> parse_page(const BenchPage& page, Arguments arguments) {
  const std::string footer = std::string(page.explanation);
  return parse_with<BenchOptions>("cairn bench " + std::string(page.name), std::string(page.what),
                                  footer.c_str(), arguments, [&](CLI::App& app, BenchOptions& options) {
                                    options.subject = page.subject;
                                    if (page.subject != BenchSubject::kScheduler)
                                      add_common_options(app, options.common);
                                    if (page.subject == BenchSubject::kCache)
                                      add_lengths_option(app, options);
                                    if (page.subject == BenchSubject::kSpeed) add_rounds_option(app, options);
                                    if (page.subject == BenchSubject::kDepth) {
                                      add_depths_option(app, options);
                                      add_every_codec_option(app, options);
                                    }
                                    if (page.subject == BenchSubject::kCodecs)
                                      add_codecs_options(app, options);
                                    if (page.subject == BenchSubject::kStream)
                                      add_stream_options(app, options);
                                    if (page.subject == BenchSubject::kPace) add_pace_option(app, options);
                                    if (page.subject == BenchSubject::kSpeculate)
                                      add_draft_model_option(app, options.common.draft_model);
                                    if (page.subject == BenchSubject::kGrowth)
                                      add_growth_options(app, options);
                                    if (page.subject == BenchSubject::kTiers)
                                      add_tier_options(app, options.common.tiers);
                                    add_table_options(app, options);
                                  });
}

BenchSubject subject_named(const std::string& name) {
  if (name == "all") return BenchSubject::kAll;
  const BenchPage* page = bench_page(name);
  if (page != nullptr && page->subject == BenchSubject::kServe) {
    throw CLI::ValidationError("cairn bench", "the options of cairn bench serve come after its name");
  }
  if (page != nullptr) return page->subject;
  std::string names;
  for (const BenchPage& known : bench_pages()) names += std::string(known.name) + ", ";
  throw CLI::ValidationError("cairn bench", "there is no bench '" + name + "': choose " + names + "or all");
}

std::string overview_of_benches() {
  std::string text = "Benches (cairn bench NAME --help explains one, and its columns):\n";
  for (const BenchPage& page : bench_pages()) {
    text += "  " + std::string(page.name) + std::string(12 - page.name.size(), ' ') + std::string(page.what) +
            "\n";
  }
  return text + "\n" + kBenchExamples;
}

}  // namespace

Result<Command> parse_bench(Arguments arguments) {
  if (!arguments.empty()) {
    const BenchPage* page = bench_page(arguments.front());
    if (page != nullptr && page->subject == BenchSubject::kServe)
      return parse_bench_serve(arguments.subspan(1));
    if (page != nullptr) return parse_page(*page, arguments.subspan(1));
  }
  const std::string footer = overview_of_benches();
  return parse_with<BenchOptions>(
      "cairn bench", "Measures this machine, and the engine on it.", footer.c_str(), arguments,
      [](CLI::App& app, BenchOptions& options) {
        app.add_option_function<std::string>(
            "WHAT", [&options](const std::string& name) { options.subject = subject_named(name); },
            "One of the benches below, or all (default: all but constrained, growth, pace, scheduler, "
            "serve, speculate, stream and tiers)");
        add_text_file_option(app, options);
        add_common_options(app, options.common);
        app.add_flag("--every-codec", options.every_codec,
                     "depth, codecs: every codec, not only the usual ones")
            ->excludes("--kv");
        add_table_options(app, options);
      });
}

}  // namespace cairn
