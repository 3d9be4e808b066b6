#include "cli/parse.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cairn {
namespace {

using Words = std::vector<std::string>;

template <typename Options>
Options parsed(const Words& words) {
  auto command = parse_command(words);
  EXPECT_TRUE(command.ok()) << command.status().message();
  EXPECT_TRUE(command.ok() && std::holds_alternative<Options>(*command));
  return command.ok() && std::holds_alternative<Options>(*command) ? std::get<Options>(*command) : Options{};
}

std::string refusal(const Words& words) {
  const auto command = parse_command(words);
  EXPECT_FALSE(command.ok()) << "accepted";
  if (!command.ok()) {
    EXPECT_EQ(command.status().code(), StatusCode::kInvalidArgument);
  }
  return command.status().message();
}

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(Parse, ReadsTheOptionsThatScriptsRelyOn) {
  const auto options =
      parsed<GenerateOptions>({"generate", "-m",    "model.gguf", "-p",      "Once",
                               "-n",       "50",    "--temp",     "0",       "--seed",
                               "7",        "-t",    "3",          "--cache", "growing",
                               "--kv",     "bf16",  "-c",         "1024",    "--prefill-chunk",
                               "64",       "--isa", "scalar",     "--json"});
  EXPECT_EQ(options.common.model_path, "model.gguf");
  EXPECT_EQ(options.prompt.text, "Once");
  EXPECT_EQ(options.max_tokens, 50);
  EXPECT_EQ(options.sampling.temperature, 0);
  EXPECT_EQ(options.sampling.seed, 7U);
  EXPECT_EQ(options.common.thread_count, 3);
  EXPECT_EQ(options.common.storage, KvStorageKind::kGrowing);
  EXPECT_EQ(options.common.kv_plan->text(), "bf16");
  EXPECT_EQ(options.common.context, 1024);
  EXPECT_EQ(options.common.prefill_chunk, 64);
  EXPECT_EQ(options.common.isa, Isa::kScalar);
  EXPECT_EQ(options.common.output_form, OutputForm::kJson);
}

TEST(Parse, LongNamesMeanTheSame) {
  const auto options = parsed<GenerateOptions>(
      {"generate", "--model", "m", "--prompt=-", "--max-tokens", "0", "--threads", "1", "--context=5"});
  EXPECT_EQ(options.common.model_path, "m");
  EXPECT_EQ(options.prompt.text, "-");
  EXPECT_EQ(options.max_tokens, 0);
  EXPECT_EQ(options.common.thread_count, 1);
  EXPECT_EQ(options.common.context, 5);
}

TEST(Parse, TakesAPromptAsItIs) {
  for (const char* text :
       {"", "-", "--json", "[a,b]", "\"quoted\"", "a\\nb", "-5", "{}", "%%", "caf\xc3\xa9 'x'"}) {
    EXPECT_EQ(parsed<GenerateOptions>({"generate", "-p", text}).prompt.text, text);
  }
}

TEST(Parse, DefaultsAreThoseOfTheHelp) {
  const auto options = parsed<GenerateOptions>({"generate", "-p", "x"});
  EXPECT_EQ(options.common.model_path, std::nullopt);
  EXPECT_EQ(options.common.thread_count, std::nullopt);
  EXPECT_EQ(options.common.context, std::nullopt);
  EXPECT_EQ(options.common.isa, std::nullopt);
  EXPECT_EQ(options.common.storage, KvStorageKind::kPaged);
  EXPECT_FALSE(options.common.kv_plan.has_value());
  EXPECT_EQ(options.sampling.temperature, 0.8);
  EXPECT_EQ(options.sampling.seed, std::nullopt);
  EXPECT_EQ(options.max_tokens, 512);
}

TEST(Parse, ReadsHowTokensAreChosen) {
  const auto options = parsed<GenerateOptions>({"generate",
                                                "-p",
                                                "x",
                                                "--stop",
                                                "END",
                                                "--stop",
                                                "[x,y]",
                                                "--logit-bias",
                                                "5=-inf",
                                                "--logit-bias",
                                                "6=2",
                                                "--ignore-eos",
                                                "--top-k",
                                                "0",
                                                "--top-p",
                                                "0.5",
                                                "--min-p",
                                                "0",
                                                "--repeat-penalty",
                                                "1.1",
                                                "--frequency-penalty",
                                                "-0.5",
                                                "--presence-penalty",
                                                "0.25"});
  EXPECT_EQ(options.sampling.stop_strings, (Words{"END", "[x,y]"}));
  ASSERT_EQ(options.sampling.logit_bias.size(), 2U);
  EXPECT_TRUE(std::isinf(options.sampling.logit_bias[0].added));
  EXPECT_EQ(options.sampling.logit_bias[1].token, 6);
  EXPECT_EQ(options.sampling.end_tokens, EndTokens::kAreIgnored);

  Request request;
  apply_sampling(options.sampling, 99, request);
  EXPECT_EQ(request.sampling.top_k, std::nullopt);  // 0: all
  EXPECT_EQ(request.sampling.top_p, 0.5);
  EXPECT_EQ(request.sampling.repetition_penalty, 1.1);
  EXPECT_EQ(request.sampling.frequency_penalty, -0.5);
  EXPECT_EQ(request.sampling.presence_penalty, 0.25);
  EXPECT_EQ(request.sampling.seed, 99U);
  EXPECT_TRUE(request.ignore_end_tokens);
  EXPECT_EQ(request.stop_strings.size(), 2U);
}

TEST(Parse, ReadsTokenLists) {
  EXPECT_EQ(parsed<GenerateOptions>({"generate", "--prompt-tokens", "1,2,3"}).prompt.tokens,
            (std::vector<TokenId>{1, 2, 3}));
  EXPECT_EQ(parsed<TokenizeOptions>({"tokenize", "--decode", "4"}).decode, (std::vector<TokenId>{4}));
  EXPECT_SAYS(refusal({"generate", "--prompt-tokens", "1,x"}), "'x'");
}

TEST(Parse, ReadsThePreTokenizerWhereverATokenizerIsLoaded) {
  EXPECT_EQ(parsed<GenerateOptions>({"generate", "--pre", "qwen2"}).common.tokenizer.pre, "qwen2");
  EXPECT_EQ(parsed<ChatOptions>({"chat", "--pre", "qwen2"}).common.tokenizer.pre, "qwen2");
  EXPECT_EQ(parsed<TokenizeOptions>({"tokenize", "--pre", "qwen2"}).tokenizer.pre, "qwen2");
  EXPECT_EQ(parsed<ModelInfoOptions>({"model", "--pre", "qwen2"}).tokenizer.pre, "qwen2");
  EXPECT_EQ(parsed<VerifyOptions>({"verify", "--pre", "qwen2"}).common.tokenizer.pre, "qwen2");
  EXPECT_EQ(parsed<BenchOptions>({"bench", "codecs", "--pre", "qwen2"}).common.tokenizer.pre, "qwen2");
}

// Each bench has a page of its own, with the columns that it prints.
TEST(Parse, EachBenchExplainsItsColumns) {
  const auto page = [](const char* name) { return parsed<ShowText>({"bench", name, "--help"}).text; };
  for (const char* column :
       {"times faster", "positions projected", "scores a layer and head", "whole square"}) {
    EXPECT_SAYS(page("cache"), column);
  }
  EXPECT_SAYS(page("cache"), "--lengths");
  EXPECT_SAYS(page("speed"), "ceiling");
  EXPECT_SAYS(page("depth"), "x the bytes");
  EXPECT_SAYS(page("shared"), "first token of");
  EXPECT_SAYS(page("codecs"), "same best token");
  EXPECT_SAYS(page("pace"), "beside the streams");
  EXPECT_SAYS(page("scheduler"), "median us");
  EXPECT_SAYS(page("growth"), "a known prompt");
  EXPECT_SAYS(page("growth"), "--plot");
  EXPECT_SAYS(page("tiers"), "--kv-remote");
  EXPECT_SAYS(page("tiers"), "blocks in");
  EXPECT_SAYS(page("stream"), "bytes of the process");
  EXPECT_EQ(page("stream").find("--context"), std::string::npos);
  EXPECT_EQ(page("scheduler").find("--model"), std::string::npos);
  EXPECT_SAYS(parsed<ShowText>({"bench", "--help"}).text, "What a token costs behind many positions");
  EXPECT_SAYS(parsed<ShowText>({"verify", "--help"}).text, "The memory plan is the truth");
}

TEST(Parse, ReadsTheOtherCommands) {
  EXPECT_EQ(parsed<ChatOptions>({"chat", "--system", "Be brief."}).system, "Be brief.");
  EXPECT_TRUE(parsed<ChatOptions>({"chat", "--explain"}).explains);
  const auto chat =
      parsed<ChatOptions>({"chat", "-q", "--no-history", "--when-full", "stop", "-n", "9", "--temp", "0",
                           "--chat-template", "chatml", "--template-var", "a=1", "--template-var", "b=x"});
  EXPECT_FALSE(chat.shows_choices);
  EXPECT_FALSE(chat.common.shows_notes);
  EXPECT_FALSE(chat.settings.shows_statistics);
  EXPECT_FALSE(chat.keeps_history);
  EXPECT_EQ(chat.settings.when_full, WhenFull::kStop);
  EXPECT_EQ(chat.settings.max_tokens, 9);
  EXPECT_EQ(chat.settings.sampling.temperature, 0);
  EXPECT_EQ(chat.chat_template, "chatml");
  ASSERT_EQ(chat.template_variables.size(), 2U);
  EXPECT_EQ(chat.template_variables[1].second, TemplateVariable(std::string("x")));
  EXPECT_TRUE(parsed<GenerateOptions>({"generate", "-p", "x", "--explain"}).explains);
  EXPECT_EQ(parsed<BenchOptions>({"bench", "pace"}).subject, BenchSubject::kPace);
  EXPECT_EQ(parsed<BenchOptions>({"bench", "scheduler"}).subject, BenchSubject::kScheduler);
  EXPECT_EQ(parsed<TokenizeOptions>({"tokenize", "-p", "x", "--ids"}).form, TokenizeOptions::Form::kIds);
  EXPECT_EQ(parsed<ModelInfoOptions>({"model", "--metadata"}).what, ModelInfoOptions::What::kMetadata);
  EXPECT_EQ(parsed<ModelInfoOptions>({"model", "--path"}).what, ModelInfoOptions::What::kPath);
  EXPECT_EQ(parsed<VerifyOptions>({"verify", "-n", "100"}).position_count, 100);
  EXPECT_EQ(parsed<BenchOptions>({"bench", "cache", "--lengths", "100,1000"}).lengths,
            (std::vector<int64_t>{100, 1000}));
  const auto codecs = parsed<BenchOptions>(
      {"bench", "codecs", "-f", "a", "-f", "b", "--reference", "int8", "-n", "9", "--f32-weights"});
  EXPECT_EQ(codecs.text_files, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(codecs.reference, KvPlan(KvFormat::kInt8));
  EXPECT_EQ(codecs.token_count, 9);
  EXPECT_EQ(codecs.weights_form, WeightsForm::kDequantised);
  EXPECT_SAYS(refusal({"bench", "speed", "--lengths", "3"}), "has no option '--lengths'");
  EXPECT_EQ(parsed<BenchOptions>({"bench"}).subject, BenchSubject::kAll);
  EXPECT_EQ(parsed<BenchOptions>({"bench", "cache", "--csv"}).subject, BenchSubject::kCache);
  EXPECT_EQ(parsed<BenchOptions>({"bench", "cache", "--csv"}).table_form, TableForm::kCsv);
  EXPECT_TRUE(parsed<BenchOptions>({"bench", "depth", "--every-codec"}).every_codec);
  EXPECT_EQ(parsed<BenchOptions>({"bench", "depth", "--depths", "0,4096"}).depths,
            (std::vector<int64_t>{0, 4096}));
  EXPECT_SAYS(refusal({"bench", "depth", "--depths", "0,-1"}), "--depths");
  EXPECT_EQ(parsed<BenchOptions>({"bench", "speed", "--rounds", "2"}).rounds, 2);
  EXPECT_SAYS(refusal({"bench", "speed", "--rounds", "0"}), "--rounds");
  EXPECT_SAYS(refusal({"bench", "depth", "--rounds", "2"}), "has no option '--rounds'");

  const auto synth = parsed<ModelSynthOptions>({"model", "synth", "--shape", "tinyllama-1.1b", "--type",
                                                "Q4_K", "--context", "32768", "--seed", "3", "out.gguf"});
  EXPECT_EQ(synth.synth.shape, "tinyllama-1.1b");
  EXPECT_EQ(synth.synth.type, TensorType::kQ4_K);
  EXPECT_EQ(synth.synth.context_length, 32768);
  EXPECT_EQ(synth.synth.seed, 3U);
  EXPECT_EQ(synth.path, "out.gguf");
}

TEST(Parse, GrowthAloneIsPlotted) {
  const auto options = parsed<BenchOptions>(
      {"bench", "growth", "-m", "m", "--plot", "a.svg", "--index-blocks", "5000", "--csv"});
  EXPECT_EQ(options.subject, BenchSubject::kGrowth);
  EXPECT_EQ(options.common.model_path, "m");
  EXPECT_EQ(options.plot_file, "a.svg");
  EXPECT_EQ(options.index_blocks, 5000);
  EXPECT_EQ(parsed<BenchOptions>({"bench", "growth"}).plot_file, std::nullopt);
  EXPECT_EQ(parsed<BenchOptions>({"bench", "growth"}).index_blocks, 1'000'000);
  EXPECT_SAYS(refusal({"bench", "growth", "--index-blocks", "999"}), "--index-blocks");
  EXPECT_SAYS(refusal({"bench", "growth", "--index-blocks", "10000001"}), "--index-blocks");
  EXPECT_SAYS(refusal({"bench", "growth", "--plot"}), "--plot");
  EXPECT_SAYS(refusal({"bench", "growth", "--plot", ""}), "names no file");
  EXPECT_SAYS(refusal({"bench", "growth", "--json", "--csv"}), "--csv");
  for (const char* other : {"depth", "speed", "scheduler", "speculate"}) {
    EXPECT_SAYS(refusal({"bench", other, "--plot", "a.svg"}), "has no option '--plot'");
    EXPECT_SAYS(refusal({"bench", other, "--index-blocks", "5000"}), "has no option '--index-blocks'");
  }
  EXPECT_SAYS(refusal({"bench", "--plot=a.svg"}), "--plot");
}

TEST(Parse, ReadsPlans) {
  const auto plain = parsed<PlanOptions>({"plan"});
  EXPECT_EQ(plain.sequences, 1);
  EXPECT_EQ(plain.prefill_chunk, 512);
  EXPECT_EQ(plain.context, std::nullopt);
  const auto options = parsed<PlanOptions>(
      {"plan", "--preset",        "llama3-8b", "--context", "4096",       "--sequences", "8",
       "--kv", "k=int8,v=int4",   "--weights", "q4_k",      "--kv-heads", "4",           "--shared-prefix",
       "2048", "--prefill-chunk", "256",       "-t",        "3",          "--json"});
  EXPECT_EQ(options.preset, "llama3-8b");
  EXPECT_EQ(options.context, 4096);
  EXPECT_EQ(options.sequences, 8);
  EXPECT_EQ(options.kv_plan->text(), "k=int8,v=int4");
  EXPECT_EQ(options.weights_type, TensorType::kQ4_K);
  EXPECT_EQ(options.kv_head_count, 4);
  EXPECT_EQ(options.shared_prefix, 2048);
  EXPECT_EQ(options.prefill_chunk, 256);
  EXPECT_EQ(options.thread_count, 3);
  EXPECT_EQ(options.output_form, OutputForm::kJson);
  EXPECT_EQ(parsed<PlanOptions>({"plan", "--config", "c.json"}).config_path, "c.json");

  EXPECT_SAYS(refusal({"plan", "--preset", "llama3-8"}), "did you mean llama3-8b?");
  EXPECT_SAYS(refusal({"plan", "--preset", "bert"}), "gpt3");
  EXPECT_SAYS(refusal({"plan", "--weights", "q9"}), "q8_0");
  EXPECT_SAYS(refusal({"plan", "--kv", "int5"}), "column 1: \"int5\" is not a format");
  EXPECT_SAYS(refusal({"plan", "--context", "0"}), "--context");
  EXPECT_SAYS(refusal({"plan", "--sequences", "0"}), "--sequences");
  EXPECT_SAYS(refusal({"plan", "--sequences", "99999999999"}), "--sequences");
  EXPECT_SAYS(refusal({"plan", "--sequenses", "2"}), "did you mean --sequences?");
  EXPECT_SAYS(refusal({"plan", "-m", "a", "--preset", "gpt2"}), "--preset");
}

TEST(Parse, RefusesUnknownNamesAndTellsTheNearest) {
  EXPECT_SAYS(refusal({"generate", "--tmep", "0", "-p", "x"}), "did you mean --temp?");
  EXPECT_SAYS(refusal({"generate", "--ctx=5", "-p", "x"}), "'--ctx=5'");
  EXPECT_SAYS(refusal({"generate", "-p", "x", "--seed", "1", "--seed", "2"}),
              "--seed is given more than once");
  EXPECT_SAYS(refusal({"generat"}), "did you mean generate?");
  EXPECT_SAYS(refusal({"generate", "-p", "x", "stray"}), "'stray'");
  EXPECT_SAYS(refusal({"--frobnicate"}), "--help");
  EXPECT_SAYS(refusal({"model", "sinth"}), "'sinth'");
  EXPECT_SAYS(refusal({"generate", "--cache", "pagd"}), "paged");
  EXPECT_SAYS(refusal({"generate", "--kv", "q8"}), "bf16");
  EXPECT_SAYS(refusal({"generate", "--isa", "sse9"}), "scalar");
  EXPECT_SAYS(refusal({"bench", "caches"}), "cache");
  EXPECT_SAYS(refusal({"model", "synth", "--type", "q9", "--shape", "x", "out"}), "q9");
  EXPECT_SAYS(refusal({"model", "synth", "out.gguf"}), "tinyllama-1.1b");
  EXPECT_SAYS(refusal({"model", "synth", "--shape", "tiny-llama"}), "file");
}

TEST(Parse, RefusesNumbersThatMakeNoSense) {
  for (const Words& words :
       {Words{"--max-tokens", "-2"}, Words{"--max-tokens", "x"}, Words{"--max-tokens"},
        Words{"--threads", "0"}, Words{"--context", "0"}, Words{"--context", "99999999999999999999"},
        Words{"--prefill-chunk", "0"}, Words{"--seed", "-1"}, Words{"--seed", "18446744073709551616"},
        Words{"--temp", "warm"}, Words{"--logit-bias", "5"}}) {
    Words line{"generate", "-p", "x"};
    line.insert(line.end(), words.begin(), words.end());
    EXPECT_SAYS(refusal(line), words.front());
  }
}

TEST(Parse, TokensMayBeUnlimited) {
  EXPECT_EQ(parsed<GenerateOptions>({"generate", "-p", "x", "-n", "-1"}).max_tokens, std::nullopt);
  EXPECT_EQ(parsed<ChatOptions>({"chat", "-n", "-1"}).settings.max_tokens, std::nullopt);
  EXPECT_EQ(parsed<ChatOptions>({"chat", "-n", "7"}).settings.max_tokens, 7);
  EXPECT_SAYS(refusal({"chat", "-n", "0"}), "--max-tokens");
}

TEST(Parse, ATextWithoutEndGoesOnUntilItIsStopped) {
  const auto options = parsed<GenerateOptions>({"generate", "--endless"});
  EXPECT_TRUE(is_endless(options.common));
  EXPECT_EQ(options.max_tokens, std::nullopt);
  EXPECT_EQ(options.common.kv_plan, std::nullopt);
  EXPECT_EQ(parsed<GenerateOptions>({"generate", "--endless", "-n", "9"}).max_tokens, 9);
  EXPECT_FALSE(is_endless(parsed<GenerateOptions>({"generate"}).common));
  EXPECT_TRUE(is_endless(parsed<ChatOptions>({"chat", "--endless"}).common));
  EXPECT_SAYS(refusal({"generate", "--endless", "-c", "100"}), "--context");
  EXPECT_SAYS(refusal({"generate", "--endless", "--cache", "contiguous"}), "paged");
}

TEST(Parse, OtherProgramsNamesOfAnOptionMeanTheSame) {
  const auto options =
      parsed<GenerateOptions>({"generate", "-p", "x", "--temperature", "0.5", "--n-predict", "9",
                               "--ctx-size", "64", "-s", "4", "--repetition-penalty", "1.5", "--kv", "fp16"});
  EXPECT_EQ(options.sampling.temperature, 0.5);
  EXPECT_EQ(options.max_tokens, 9);
  EXPECT_EQ(options.common.context, 64);
  EXPECT_EQ(options.sampling.seed, 4U);
  EXPECT_EQ(options.sampling.repeat_penalty, 1.5);
  EXPECT_EQ(options.common.kv_plan->text(), "f16");
  const std::string help = parsed<ShowText>({"generate", "--help"}).text;
  EXPECT_SAYS(help, "-n,--max-tokens");
  EXPECT_EQ(help.find("n-predict"), std::string::npos);
}

TEST(Parse, WordsThatMeanNothingHereAreExplained) {
  EXPECT_SAYS(refusal({"generate", "-p", "x", "-ngl", "99"}), "processor alone");
  EXPECT_SAYS(refusal({"generate", "-p", "x", "--n-gpu-layers=99"}), "processor alone");
  EXPECT_SAYS(refusal({"chat", "-ctk", "q8_0"}), "--kv k=");
  EXPECT_SAYS(refusal({"generate", "-p", "x", "--kv", "q8_0"}), "the nearest is int8");
  EXPECT_SAYS(refusal({"run", "-m", "x"}), "cairn generate or cairn chat");
  EXPECT_EQ(parsed<GenerateOptions>({"generate", "-p", "-ngl"}).prompt.text, "-ngl");  // a text, not a word
}

TEST(Parse, RefusesWhatABeamSearchCannotKeep) {
  for (const Words& words : {Words{"--temp", "0.5"}, Words{"--temperature", "1"}, Words{"--top-k", "3"},
                             Words{"--top-p", "0.5"}, Words{"--min-p", "0.1"}, Words{"--seed", "3"}}) {
    Words line{"generate", "-p", "x", "--beams", "3"};
    line.insert(line.end(), words.begin(), words.end());
    EXPECT_SAYS(refusal(line), "--beams");
  }
  EXPECT_EQ(parsed<GenerateOptions>({"generate", "-p", "x", "--beams", "3", "--temp", "0", "--stop", "a",
                                     "--logit-bias", "5=1", "--ignore-eos", "--repeat-penalty", "2"})
                .beam_count,
            3);
}

TEST(Parse, ChecksWhatNeedsNoModel) {
  EXPECT_SAYS(refusal({"generate", "-p", "x", "--top-p", "2"}), "top-p");
  EXPECT_SAYS(refusal({"chat", "--temp", "-1"}), "temperature");
  EXPECT_SAYS(refusal({"generate", "-p", "x", "--top-k", "-5"}), "top-k");
  EXPECT_SAYS(refusal({"generate", "-p", "x", "--stop", ""}), "--stop");
  EXPECT_SAYS(refusal({"generate", "-p", "x", "--repeat-penalty", "0"}), "penalty");
  EXPECT_SAYS(refusal({"generate", "-p", "x", "--cache", "none", "--kv-memory", "1MiB"}), "--kv-memory");
}

TEST(Parse, ShowsTheHelpOfACommandInBothWays) {
  for (const char* command : {"generate", "chat", "tokenize", "model", "plan", "verify", "bench"}) {
    EXPECT_EQ(parsed<ShowText>({"help", command}).text, parsed<ShowText>({command, "--help"}).text);
  }
  EXPECT_EQ(parsed<ShowText>({"help", "model", "synth"}).text,
            parsed<ShowText>({"model", "synth", "-h"}).text);
  EXPECT_SAYS(refusal({"help", "generat"}), "did you mean generate?");
}

TEST(Parse, ShowsHelpAndVersion) {
  for (const Words& words : {Words{}, Words{"--help"}, Words{"-h"}, Words{"help"}, Words{"help", "help"}}) {
    EXPECT_SAYS(parsed<ShowText>(words).text, "cairn generate -p");
  }
  EXPECT_TRUE(parsed<ShowText>({"--version"}).text.starts_with("cairn "));
  for (const char* command : {"generate", "chat", "tokenize", "model", "verify", "bench"}) {
    const std::string text = parsed<ShowText>({command, "--help"}).text;
    EXPECT_SAYS(text, "cairn " + std::string(command));
    EXPECT_SAYS(text, "Example");
    EXPECT_SAYS(text, "--model");
  }
  EXPECT_SAYS(parsed<ShowText>({"model", "synth", "-h"}).text, "llama-110m");
}

TEST(Parse, HelpNamesEveryNumberFormat) {
  EXPECT_SAYS(parsed<ShowText>({"generate", "--help"}).text, kv_format_names());
  EXPECT_SAYS(parsed<ShowText>({"plan", "--help"}).text, tensor_type_names());
  EXPECT_SAYS(parsed<ShowText>({"model", "synth", "--help"}).text, tensor_type_names());
  EXPECT_SAYS(refusal({"plan", "--weights", "q9"}), tensor_type_names());
}

}  // namespace
}  // namespace cairn
