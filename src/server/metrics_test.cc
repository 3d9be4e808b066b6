#include "server/metrics.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "base/text_file.h"

namespace cairn {
namespace {

using Samples = std::map<std::string, double>;  // "name{labels}"

struct Exposition {
  std::map<std::string, std::string> kinds;  // of "# TYPE" lines
  std::map<std::string, std::string> helps;
  Samples samples;
};

// By hand: a scrape of many tenants is long, and std::regex slow.
Exposition read(const std::string& text) {
  Exposition read;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, what, name;
    if (line.starts_with("# ")) {
      words >> hash >> what >> name;
      std::string rest;
      std::getline(words >> std::ws, rest);
      EXPECT_TRUE(what == "TYPE" || what == "HELP") << line;
      EXPECT_TRUE((what == "TYPE" ? read.kinds : read.helps).emplace(name, rest).second) << "twice: " << line;
      continue;
    }
    const size_t blank = line.rfind(' ');
    EXPECT_NE(blank, std::string::npos) << line;
    if (blank == std::string::npos) continue;
    size_t used = 0;
    const double value = std::stod(line.substr(blank + 1), &used);
    EXPECT_EQ(used, line.size() - blank - 1) << line;
    EXPECT_TRUE(read.samples.emplace(line.substr(0, blank), value).second) << "twice: " << line;
  }
  return read;
}

MetricsSnapshot some_snapshot() {
  MetricsSnapshot now{.waiting_requests = 3,
                      .running_requests = 2,
                      .connections_total = 9,
                      .free_blocks = 10,
                      .open_blocks = 1,
                      .held_blocks = 2,
                      .idle_blocks = 3,
                      .kv_pool_bytes = uint64_t{5} << 40,
                      .prompt_rows_total = 100,
                      .decode_rows_total = 50};
  now.tenants.push_back({.name = "alice", .open_texts = 1, .kv_used_bytes = 77, .kv_quota_bytes = 99});
  now.tenants.push_back({.name = "bob"});
  return now;
}

MetricsOptions by_tenant() {
  return {.by_tenant = MetricsByTenant::kOn,
          .version = "0.1",
          .model = "demo",
          .isa = "avx2",
          .start_time_s = 1e9};
}

RequestFacts request(std::string_view tenant) {
  return {.tenant = tenant,
          .prompt_tokens = 100,
          .reused_tokens = 64,
          .generated_tokens = 7,
          .ttft_s = 0.2,
          .tpot_s = 0.04,
          .duration_s = 1};
}

TEST(Metrics, EveryMetricIsThereFromTheStartWithItsKindAndHelp) {
  const Exposition all = read(Metrics(by_tenant()).text(some_snapshot()));
  for (const MetricInfo& info : metric_infos()) {
    EXPECT_EQ(all.kinds.at(std::string(info.name)), metric_kind_name(info.kind)) << info.name;
    EXPECT_EQ(all.helps.at(std::string(info.name)), info.help) << info.name;
  }
  EXPECT_EQ(all.kinds.size(), metric_infos().size());
}

TEST(Metrics, NamesAreOursAndSayTheirUnit) {
  std::set<std::string> names;
  for (const MetricInfo& info : metric_infos()) {
    EXPECT_TRUE(std::regex_match(std::string(info.name), std::regex("cairn_[a-z_]+"))) << info.name;
    EXPECT_EQ(info.name.ends_with("_total"), info.kind == MetricKind::kCounter) << info.name;
    EXPECT_TRUE(names.insert(std::string(info.name)).second) << info.name;
    if (info.kind == MetricKind::kHistogram) {
      EXPECT_TRUE(info.name.ends_with("_seconds")) << info.name;
    }
  }
  EXPECT_EQ(metric_names().size(), names.size());
}

TEST(Metrics, CountsARequest) {
  Metrics metrics({});
  metrics.note_request(request("alice"));
  RequestFacts refused{.tenant = "alice", .outcome = RequestOutcome::kRefused, .duration_s = 5};
  metrics.note_request(refused);
  metrics.note_rate_limited("alice", RateLimit::kTokens);
  metrics.note_rate_limited("alice", RateLimit::kNone);
  const Samples samples = read(metrics.text({})).samples;
  EXPECT_EQ(samples.at("cairn_requests_total{outcome=\"stop\"}"), 1);
  EXPECT_EQ(samples.at("cairn_requests_total{outcome=\"refused\"}"), 1);
  EXPECT_EQ(samples.at("cairn_requests_total{outcome=\"cancelled\"}"), 0);
  EXPECT_EQ(samples.at("cairn_prompt_tokens_total"), 100);
  EXPECT_EQ(samples.at("cairn_reused_tokens_total"), 64);
  EXPECT_EQ(samples.at("cairn_generated_tokens_total"), 7);
  EXPECT_EQ(samples.at("cairn_time_to_first_token_seconds_count"), 1);
  EXPECT_DOUBLE_EQ(samples.at("cairn_time_to_first_token_seconds_sum"), 0.2);
  EXPECT_EQ(samples.at("cairn_time_to_first_token_seconds_bucket{le=\"0.1\"}"), 0);
  EXPECT_EQ(samples.at("cairn_time_to_first_token_seconds_bucket{le=\"0.25\"}"), 1);
  EXPECT_EQ(samples.at("cairn_time_per_output_token_seconds_count"), 1);
  EXPECT_EQ(samples.at("cairn_request_duration_seconds_count"), 1);
  EXPECT_EQ(samples.at("cairn_rate_limited_total{limit=\"tokens\"}"), 1);
}

TEST(Metrics, ShowsASnapshotToTheByte) {
  const Samples samples = read(Metrics({.version = "0.1\"\n\\"}).text(some_snapshot())).samples;
  EXPECT_EQ(samples.at("cairn_waiting_requests"), 3);
  EXPECT_EQ(samples.at("cairn_kv_blocks{state=\"free\"}"), 10);
  EXPECT_EQ(samples.at("cairn_kv_blocks{state=\"idle\"}"), 3);
  EXPECT_EQ(samples.at("cairn_kv_pool_bytes"), 5497558138880.0);
  EXPECT_EQ(samples.at("cairn_rows_total{kind=\"decode\"}"), 50);
  EXPECT_EQ(samples.at(R"(cairn_build_info{isa="",model="",version="0.1\"\n\\"})"), 1);
}

TEST(Metrics, SaysNothingOfTenantsUnlessAsked) {
  Metrics metrics({});
  metrics.note_request(request("alice"));
  const std::string text = metrics.text(some_snapshot());
  EXPECT_EQ(text.find("alice"), std::string::npos);
  EXPECT_EQ(text.find("tenant="), std::string::npos);
}

TEST(Metrics, TellsTenantsApartWhereAsked) {
  Metrics metrics(by_tenant());
  metrics.note_request(request("alice"));
  metrics.note_request(request("bob"));
  metrics.note_request(request("bob"));
  metrics.note_request(request(""));  // a wrong key
  const Samples samples = read(metrics.text(some_snapshot())).samples;
  EXPECT_EQ(samples.at("cairn_prompt_tokens_total{tenant=\"alice\"}"), 100);
  EXPECT_EQ(samples.at("cairn_prompt_tokens_total{tenant=\"bob\"}"), 200);
  EXPECT_EQ(samples.at("cairn_prompt_tokens_total{tenant=\"other\"}"), 100);
  EXPECT_EQ(samples.at("cairn_tenant_kv_used_bytes{tenant=\"alice\"}"), 77);
  EXPECT_EQ(samples.at("cairn_tenant_kv_quota_bytes{tenant=\"alice\"}"), 99);
  EXPECT_EQ(samples.count("cairn_tenant_kv_quota_bytes{tenant=\"bob\"}"), 0U);
}

TEST(Metrics, ManyTenantsAreCountedTogether) {
  Metrics metrics(by_tenant());
  MetricsSnapshot now;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "t" + std::to_string(i);
    metrics.note_request(request(name));
    now.tenants.push_back({.name = name});
  }
  const Samples samples = read(metrics.text(now)).samples;
  EXPECT_EQ(samples.at("cairn_prompt_tokens_total{tenant=\"t0\"}"), 100);
  EXPECT_EQ(samples.at("cairn_prompt_tokens_total{tenant=\"other\"}"), 90'000);
  size_t series = 0;
  for (const auto& [name, value] : samples) series += name.starts_with("cairn_prompt_tokens_total") ? 1 : 0;
  EXPECT_EQ(series, Metrics::kMostTenantLabels + 1);
  EXPECT_LT(samples.size(), 8000U);
}

TEST(Metrics, ManyThreadsAtOnce) {
  Metrics metrics(by_tenant());
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics, i] {
      for (int n = 0; n < 200; ++n) metrics.note_request(request("t" + std::to_string((i + n) % 150)));
      (void)metrics.text(some_snapshot());
    });
  }
  for (std::thread& thread : threads) thread.join();
  double prompt_tokens = 0;
  for (const auto& [name, value] : read(metrics.text({})).samples) {
    if (name.starts_with("cairn_prompt_tokens_total")) prompt_tokens += value;
  }
  EXPECT_EQ(prompt_tokens, 4 * 200 * 100);
}

// ---- what documents say of them

std::string document(const std::string& name) {
  const auto file = read_text_file(CAIRN_SOURCE_DIR "/docs/" + name, size_t{1} << 20);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return file.ok() ? file->text : "";
}

// As docs/operations.md has it.
std::string table_of_metrics() {
  std::string table = "| metric | kind | labels | what it is |\n|---|---|---|---|\n";
  for (const MetricInfo& info : metric_infos()) {
    table += "| `" + std::string(info.name) + "` | " + std::string(metric_kind_name(info.kind)) + " | " +
             std::string(info.labels) + " | " + std::string(info.help) + " |\n";
  }
  return table;
}

TEST(MetricsDocument, HasTheTableOfAllMetrics) {
  EXPECT_NE(document("operations.md").find(table_of_metrics()), std::string::npos)
      << "docs/operations.md must have this table:\n"
      << table_of_metrics();
}

// Every question to Prometheus in a dashboard.
void collect_expressions(const boost::json::value& value, std::vector<std::string>& found) {
  if (const auto* object = value.if_object()) {
    for (const auto& [key, each] : *object) {
      if (key == "expr") found.emplace_back(each.as_string());
      collect_expressions(each, found);
    }
  } else if (const auto* array = value.if_array()) {
    for (const auto& each : *array) collect_expressions(each, found);
  }
}

// A series of a scrape, without its labels: a histogram is _bucket, _sum and _count.
std::set<std::string> scraped_names(const Exposition& all) {
  std::set<std::string> names;
  for (const auto& [name, value] : all.samples) names.insert(name.substr(0, name.find('{')));
  return names;
}

TEST(MetricsDashboard, AsksOnlyForWhatAScrapeHas) {
  Metrics metrics(by_tenant());
  metrics.note_request(request("alice"));
  const Exposition all = read(metrics.text(some_snapshot()));
  const std::set<std::string> scraped = scraped_names(all);
  std::vector<std::string> expressions;
  collect_expressions(boost::json::parse(document("grafana.json")), expressions);
  EXPECT_GE(expressions.size(), 15U);
  const std::regex name("cairn_[a-z_]+");
  std::set<std::string> asked;
  for (const std::string& expression : expressions) {
    auto at = std::sregex_iterator(expression.begin(), expression.end(), name);
    EXPECT_NE(at, std::sregex_iterator()) << expression;
    for (; at != std::sregex_iterator(); ++at) {
      EXPECT_TRUE(scraped.contains(at->str())) << at->str() << " in " << expression;
      asked.insert(std::regex_replace(at->str(), std::regex("_(bucket|sum|count)$"), ""));
    }
  }
  for (const std::string& each : metric_names()) EXPECT_TRUE(asked.contains(each)) << each << " has no panel";
}

TEST(MetricsDashboard, AsksOnlyForLabelsThatThereAre) {
  std::vector<std::string> expressions;
  collect_expressions(boost::json::parse(document("grafana.json")), expressions);
  const std::set<std::string> labels{"le",   "tenant",  "outcome", "limit", "state",
                                     "kind", "version", "model",   "isa"};
  const std::regex by("by \\(([a-z, ]+)\\)");
  for (const std::string& expression : expressions) {
    for (auto at = std::sregex_iterator(expression.begin(), expression.end(), by);
         at != std::sregex_iterator(); ++at) {
      std::istringstream words((*at)[1].str());
      for (std::string word; std::getline(words, word, ',');) {
        word.erase(0, word.find_first_not_of(' '));
        EXPECT_TRUE(labels.contains(word)) << word << " in " << expression;
      }
    }
  }
}

}  // namespace
}  // namespace cairn
