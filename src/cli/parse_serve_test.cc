#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>

#include "cli/parse.h"
#include "cli/serve.h"

namespace cairn {
namespace {

using Words = std::vector<std::string>;

Words serve(Words words) {
  words.insert(words.begin(), "serve");
  return words;
}

ServeOptions parsed(const Words& words) {
  auto command = parse_command(serve(words));
  EXPECT_TRUE(command.ok()) << command.status().message();
  const bool is_serve = command.ok() && std::holds_alternative<ServeOptions>(*command);
  EXPECT_TRUE(is_serve);
  return is_serve ? std::get<ServeOptions>(*command) : ServeOptions{};
}

std::string refusal(const Words& words) {
  const auto command = parse_command(serve(words));
  EXPECT_FALSE(command.ok()) << "accepted: " << ::testing::PrintToString(words);
  if (command.ok()) return {};
  EXPECT_EQ(command.status().code(), StatusCode::kInvalidArgument);
  return command.status().message();
}

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

// For this machine alone, and nothing that would open it.
TEST(ParseServe, HasDefaultsThatReachNobodyElse) {
  const ServeOptions options = parsed({});
  EXPECT_EQ(options.host, "127.0.0.1");
  EXPECT_EQ(options.port, 8080);
  EXPECT_FALSE(options.allows_anybody);
  EXPECT_FALSE(options.shares_across_tenants);
  EXPECT_FALSE(options.only_checks);
  EXPECT_EQ(options.api_keys, std::nullopt);
  EXPECT_EQ(options.tls_certificate, std::nullopt);
  EXPECT_EQ(options.tls_key, std::nullopt);
  EXPECT_TRUE(options.cors_origins.empty());
  EXPECT_TRUE(options.allowed_hosts.empty());
}

// As the help and docs/operations.md say them.
TEST(ParseServe, HasTheDefaultsOfItsHelp) {
  const ServeOptions options = parsed({});
  EXPECT_EQ(options.name, std::nullopt);
  EXPECT_EQ(options.parallel, 16);
  EXPECT_EQ(options.queue, 1024);
  EXPECT_EQ(options.pace, kUsualPace);
  EXPECT_EQ(options.body_bytes_max, uint64_t{16} << 20);
  EXPECT_EQ(options.connections_max, 1024);
  EXPECT_EQ(options.header_seconds, 10);
  EXPECT_EQ(options.body_seconds, 60);
  EXPECT_EQ(options.idle_seconds, 75);
  EXPECT_EQ(options.write_seconds, 30);
  EXPECT_EQ(options.grace_seconds, 30);
  EXPECT_EQ(options.log_format, LogFormat::kText);
  EXPECT_EQ(options.log_level, LogLevel::kInfo);
  EXPECT_EQ(options.log_prompts, LogPrompts::kLeftOut);
  EXPECT_FALSE(options.metrics_by_tenant);
  const auto page = parse_command(serve({"--help"}));
  ASSERT_TRUE(page.ok());
  for (const char* words : {"(default: 127.0.0.1,", "(default: 8080)", "(default: 16)", "(default: 1024)",
                            "(default: 285)", "(default: 16MiB)", "(default: 10)", "(default: 60)",
                            "(default: 75)", "(default: 30)", "(default: text)", "(default: info)"}) {
    std::string text = std::get<ShowText>(*page).text;
    std::erase_if(text, [](char c) { return c == '\n'; });  // lines are broken anywhere between words
    std::string narrow;
    std::unique_copy(text.begin(), text.end(), std::back_inserter(narrow),
                     [](char a, char b) { return a == ' ' && b == ' '; });
    EXPECT_SAYS(narrow, words);
  }
}

// An option, and whether its field then has what was given.
struct Option {
  Words words;
  std::function<bool(const ServeOptions&)> arrives;
};

const std::vector<Option>& options_of_serve() {
  using O = const ServeOptions&;
  static const std::vector<Option> kOptions{
      {{"--host", "0.0.0.0"}, [](O o) { return o.host == "0.0.0.0"; }},
      {{"--port", "0"}, [](O o) { return o.port == 0; }},
      {{"--port", "65535"}, [](O o) { return o.port == 65535; }},
      {{"--name", "x"}, [](O o) { return o.name == "x"; }},
      {{"--check-config"}, [](O o) { return o.only_checks; }},
      {{"--parallel", "3"}, [](O o) { return o.parallel == 3; }},
      {{"--queue", "0"}, [](O o) { return o.queue == 0; }},
      {{"--pace", "0"}, [](O o) { return o.pace == std::nullopt; }},
      {{"--pace", "100"}, [](O o) { return o.pace == 100; }},
      {{"--pace", "100000"}, [](O o) { return o.pace == 100'000; }},
      {{"--chat-template", "chatml"}, [](O o) { return o.chat_template == "chatml"; }},
      {{"--template-var", "a=1", "--template-var", "b=x"},
       [](O o) { return o.template_variables.size() == 2 && o.template_variables[1].first == "b"; }},
      {{"--api-keys", "k"}, [](O o) { return o.api_keys == "k"; }},
      {{"--allow-anybody"}, [](O o) { return o.allows_anybody; }},
      {{"--share-across-tenants"}, [](O o) { return o.shares_across_tenants; }},
      {{"--tls-cert", "c", "--tls-key", "k"},
       [](O o) { return o.tls_certificate == "c" && o.tls_key == "k"; }},
      {{"--cors-origin", "https://a", "--cors-origin", "https://b"},
       [](O o) { return o.cors_origins == std::vector<std::string>{"https://a", "https://b"}; }},
      {{"--allowed-host", "a", "--allowed-host", "b"},
       [](O o) { return o.allowed_hosts == std::vector<std::string>{"a", "b"}; }},
      {{"--max-body", "64MiB"}, [](O o) { return o.body_bytes_max == uint64_t{64} << 20; }},
      {{"--max-connections", "7"}, [](O o) { return o.connections_max == 7; }},
      {{"--header-timeout", "0.5"}, [](O o) { return o.header_seconds == 0.5; }},
      {{"--body-timeout", "2"}, [](O o) { return o.body_seconds == 2; }},
      {{"--idle-timeout", "3"}, [](O o) { return o.idle_seconds == 3; }},
      {{"--write-timeout", "4"}, [](O o) { return o.write_seconds == 4; }},
      {{"--grace", "86400"}, [](O o) { return o.grace_seconds == 86400; }},
      {{"--log-format", "json"}, [](O o) { return o.log_format == LogFormat::kJson; }},
      {{"--log-level", "warning"}, [](O o) { return o.log_level == LogLevel::kWarning; }},
      {{"--log-prompts"}, [](O o) { return o.log_prompts == LogPrompts::kLogged; }},
      {{"--metrics-by-tenant"}, [](O o) { return o.metrics_by_tenant; }},
      {{"--model", "m"}, [](O o) { return o.common.model_path == "m"; }},
      {{"--context", "64"}, [](O o) { return o.common.context == 64; }},
      {{"--extend-context"}, [](O o) { return o.common.context_limit == ContextLimit::kNone; }},
      {{"--threads", "2"}, [](O o) { return o.common.thread_count == 2; }},
      {{"--isa", "scalar"}, [](O o) { return o.common.isa == Isa::kScalar; }},
      {{"--kv", "int8"}, [](O o) { return o.common.kv_plan == KvPlan(KvFormat::kInt8); }},
      {{"--prefill-chunk", "9"}, [](O o) { return o.common.prefill_chunk == 9; }},
      {{"--pre", "qwen2"}, [](O o) { return o.common.tokenizer.pre == "qwen2"; }},
      {{"--cache", "paged"}, [](O o) { return o.common.storage == KvStorageKind::kPaged; }},
      {{"--kv-memory", "1MiB"}, [](O o) { return o.common.kv_memory_bytes == uint64_t{1} << 20; }},
      {{"--cors-origin", "*"}, [](O o) { return o.cors_origins == std::vector<std::string>{"*"}; }},
      {{"--kv-disk", "d"}, [](O o) { return o.common.tiers.disk == "d"; }},
      {{"--kv-disk", "d", "--kv-disk-size", "1GiB"},
       [](O o) { return o.common.tiers.disk_bytes == uint64_t{1} << 30; }},
      {{"--kv-remote", "redis://a", "--kv-remote", "redis://b"},
       [](O o) { return o.common.tiers.remote == std::vector<std::string>{"redis://a", "redis://b"}; }},
      {{"--kv-remote", "rediss://a", "--kv-remote-ca", "c"},
       [](O o) { return o.common.tiers.certificates == "c"; }},
      {{"--kv-disk", "kept", "--kv-load", "never"},
       [](O o) { return o.common.tiers.load == LoadPolicy::kNever; }},
      {{"--no-sharing"}, [](O o) { return o.common.sharing == PrefixSharing::kOff; }},
      {{"--draft-model", "d"}, [](O o) { return o.common.draft_model == "d"; }},
      {{"--speculate", "lookup"}, [](O o) { return o.common.speculation == Speculation::kPromptLookup; }},
  };
  return kOptions;
}

TEST(ParseServe, EveryOptionReachesItsField) {
  const ServeOptions untouched = parsed({});
  for (const Option& option : options_of_serve()) {
    EXPECT_TRUE(option.arrives(parsed(option.words))) << ::testing::PrintToString(option.words);
    const bool is_default = option.words == Words{"--cache", "paged"};
    EXPECT_EQ(option.arrives(untouched), is_default) << ::testing::PrintToString(option.words);
  }
}

// The names that lines of the help begin with.
std::set<std::string> names_of_help() {
  const auto page = parse_command(serve({"--help"}));
  EXPECT_TRUE(page.ok());
  const std::string text = page.ok() ? std::get<ShowText>(*page).text : std::string();
  std::set<std::string> names;
  for (size_t line = 0; line < text.size(); line = text.find('\n', line) + 1) {
    const bool is_option = text.compare(line, 3, "  -") == 0;
    const size_t name = text.find("--", line);
    const size_t end = std::min(text.find('\n', line), text.size());
    if (is_option && name < end) names.insert(text.substr(name, text.find_first_of(" \n", name) - name));
    if (end == text.size()) break;
  }
  return names;
}

TEST(ParseServe, TheTestsKnowEveryOption) {
  std::set<std::string> known{"--help", "--config"};  // config_file_test.cc
  for (const Option& option : options_of_serve()) {
    for (const std::string& word : option.words) {
      if (word.starts_with("--")) known.insert(word);
    }
  }
  const std::set<std::string> names = names_of_help();
  EXPECT_GT(names.size(), 30U);
  EXPECT_EQ(names, known);
}

TEST(ParseServe, ABadValueIsRefusedByItsOptionsName) {
  const std::vector<std::pair<std::string, Words>> bad{
      {"--port", {"-1", "65536", "http", "80.5", ""}},
      {"--parallel", {"0", "1025", "many"}},
      {"--queue", {"-1", "1048577", "x"}},
      {"--pace", {"1", "50", "99", "100001", "-285", "fast", "285x", ""}},
      {"--max-body", {"0", "65MiB", "large"}},
      {"--max-connections", {"0", "1048577"}},
      {"--header-timeout", {"0", "86401", "nan", "soon"}},
      {"--body-timeout", {"0", "-1", "inf"}},
      {"--idle-timeout", {"0.001"}},
      {"--write-timeout", {"x"}},
      {"--grace", {"0", "nan"}},
      {"--log-format", {"xml"}},
      {"--log-level", {"loud"}},
      {"--template-var", {"x"}},
      {"--kv-memory", {"much"}},
      {"--kv-load", {"never"}},  // of what?
      {"--speculate", {"", "on", "draft"}},
      {"--name", {""}},
      {"--cors-origin", {"foo", "://a", "https://", "https://a/", "https://a b"}},
  };
  for (const auto& [name, values] : bad) {
    for (const std::string& value : values) {
      std::string given = name;
      given += "=" + value;
      EXPECT_SAYS(refusal({given}), name);
    }
  }
  EXPECT_SAYS(refusal({"--pace", "99"}), "100 to 100000 percent, or 0 for no limit");
}

TEST(ParseServe, WhatCannotBeServedIsRefused) {
  EXPECT_SAYS(refusal({"--tls-cert", "c"}), "--tls-cert and --tls-key go together");
  EXPECT_SAYS(refusal({"--tls-key", "k"}), "--tls-cert and --tls-key go together");
  EXPECT_SAYS(refusal({"--cache", "contiguous"}), "needs the paged cache");
  EXPECT_SAYS(refusal({"--endless"}), "--endless");
  EXPECT_SAYS(refusal({"--prot", "1"}), "did you mean --port?");
  EXPECT_SAYS(refusal({"--port", "1", "--port", "2"}), "--port is given more than once");
  EXPECT_SAYS(refusal({"model.gguf"}), "expects no argument 'model.gguf'");
}

TEST(ParseServe, TheBenchOfPacesMeasuresTheServersOwnUnlessAskedForAnother) {
  const auto pace_of = [](const Words& words) {
    const auto command = parse_command(words);
    EXPECT_TRUE(command.ok()) << command.status().message();
    return command.ok() ? std::get<BenchOptions>(*command).pace : -1;
  };
  EXPECT_EQ(pace_of({"bench", "pace"}), parsed({}).pace);
  EXPECT_EQ(pace_of({"bench", "pace", "--pace", "150"}), 150);
  for (const char* value : {"0", "99", "100001", "x"}) {
    const auto refused = parse_command(Words{"bench", "pace", "--pace", value});
    ASSERT_FALSE(refused.ok()) << value;
    EXPECT_SAYS(refused.status().message(), "--pace");
  }
  const auto page = parse_command(Words{"bench", "pace", "--help"});
  ASSERT_TRUE(page.ok());
  EXPECT_SAYS(std::get<ShowText>(*page).text, "(default: 285");
}

TEST(ParseServe, ExplainNeedsAnId) {
  const auto command = parse_command(Words{"explain", "last", "--url", "http://h:1", "--api-key", "k"});
  ASSERT_TRUE(command.ok()) << command.status().message();
  const auto& options = std::get<ExplainOptions>(*command);
  EXPECT_EQ(options.id, "last");
  EXPECT_EQ(options.url, "http://h:1");
  EXPECT_EQ(options.api_key, "k");
  const auto refused = parse_command(Words{"explain"});
  ASSERT_FALSE(refused.ok());
  EXPECT_SAYS(refused.status().message(), "the id of a reply, or last");
}

}  // namespace
}  // namespace cairn
