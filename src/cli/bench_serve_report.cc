#include "cli/bench_serve_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <cmath>
#include <numeric>
#include <utility>

#include "cli/output_format.h"

namespace cairn {
namespace {

double ms_between(uint64_t begin_ns, uint64_t end_ns) {
  return end_ns <= begin_ns ? 0 : static_cast<double>(end_ns - begin_ns) * 1e-6;
}

std::optional<double> ttft_ms_of(const CallResult& result) {
  if (result.first_ns == 0) return std::nullopt;
  return ms_between(result.begin_ns, result.first_ns);
}

// Of an answer of one token there is none.
std::optional<double> tpot_ms_of(const CallResult& result) {
  if (result.answer_tokens < 2 || result.first_ns == 0) return std::nullopt;
  return ms_between(result.first_ns, result.last_ns) / static_cast<double>(result.answer_tokens - 1);
}

bool is_within(const CallResult& result, const Slo& slo) {
  const auto ttft = ttft_ms_of(result);
  const auto tpot = tpot_ms_of(result);
  if (slo.ttft_ms && (!ttft || *ttft > *slo.ttft_ms)) return false;
  return !slo.tpot_ms || !tpot || *tpot <= *slo.tpot_ms;
}

std::vector<std::string> cells_of(const std::string& name, const Spread& spread) {
  std::vector<std::string> cells{name};
  for (const double value : {spread.mean, spread.p50, spread.p90, spread.p95, spread.p99, spread.max}) {
    cells.push_back(spread.count == 0 ? "-" : fmt::format("{:.1f}", value));
  }
  return cells;
}

boost::json::object json_of(const Spread& spread) {
  return {{"count", spread.count}, {"mean", spread.mean}, {"p50", spread.p50}, {"p90", spread.p90},
          {"p95", spread.p95},     {"p99", spread.p99},   {"max", spread.max}};
}

std::string failure_name(int status) {
  if (status == 0) return "no reply";
  if (status == 200) return "cut off";
  return fmt::format("status {}", status);
}

std::string slo_words(const Slo& slo) {
  std::vector<std::string> parts;
  if (slo.ttft_ms) parts.push_back(fmt::format("the first token within {:g} ms", *slo.ttft_ms));
  if (slo.tpot_ms) parts.push_back(fmt::format("{:g} ms a token", *slo.tpot_ms));
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto percentile = [&](int percent) {
    const size_t rank = (values.size() * static_cast<size_t>(percent) + 99) / 100;
    return values[std::max<size_t>(rank, 1) - 1];
  };
  return {.count = values.size(),
          .mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()),
          .p50 = percentile(50),
          .p90 = percentile(90),
          .p95 = percentile(95),
          .p99 = percentile(99),
          .max = values.back()};
}

int64_t ServeReport::failed() const {
  int64_t sum = 0;
  for (const auto& [status, failure] : failures) sum += failure.count;
  return sum;
}

double ServeReport::per_second(int64_t count) const {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double ServeReport::hit_rate() const {
  return prompt_tokens > 0 ? static_cast<double>(cached_tokens) / static_cast<double>(prompt_tokens) : 0;
}

ServeReport report_of(const std::vector<CallResult>& results, const Slo& slo) {
  ServeReport report{.slo = slo};
  std::vector<double> ttft;
  std::vector<double> tpot;
  std::vector<double> latency;
  uint64_t begin_ns = UINT64_MAX;
  uint64_t end_ns = 0;
  for (const CallResult& result : results) {
    begin_ns = std::min(begin_ns, result.begin_ns);
    end_ns = std::max(end_ns, result.end_ns);
    if (!is_complete(result)) {
      ServeReport::Failure& failure = report.failures[result.status];
      if (failure.count++ == 0) failure.first = result.error;
      continue;
    }
    ++report.completed;
    report.prompt_tokens += result.prompt_tokens;
    report.cached_tokens += result.cached_tokens;
    report.answer_tokens += result.answer_tokens;
    if (is_within(result, slo)) ++report.within_slo;
    if (const auto ms = ttft_ms_of(result)) ttft.push_back(*ms);
    if (const auto ms = tpot_ms_of(result)) tpot.push_back(*ms);
    latency.push_back(ms_between(result.begin_ns, result.end_ns));
  }
  report.seconds = results.empty() ? 0 : ms_between(begin_ns, end_ns) * 1e-3;
  report.ttft_ms = spread_of(std::move(ttft));
  report.tpot_ms = spread_of(std::move(tpot));
  report.latency_ms = spread_of(std::move(latency));
  return report;
}

std::string report_text(const ServeReport& report) {
  std::string text =
      fmt::format("requests      {} answered, {} failed, in {:.2f} s ({:.2f} a second)\n", report.completed,
                  report.failed(), report.seconds, report.per_second(report.completed));
  text += fmt::format("tokens        {} in ({:.1f} a second), {} out ({:.1f} a second)\n",
                      grouped_count(report.prompt_tokens), report.per_second(report.prompt_tokens),
                      grouped_count(report.answer_tokens), report.per_second(report.answer_tokens));
  text += fmt::format("from a cache  {} of {} tokens in ({:.1f} %)\n", grouped_count(report.cached_tokens),
                      grouped_count(report.prompt_tokens), report.hit_rate() * 100);
  if (report.slo.is_given()) {
    const int64_t all = report.completed + report.failed();
    text += fmt::format(
        "goodput       {} of {} ({:.1f} %), {:.2f} a second: {}\n", report.within_slo, all,
        all == 0 ? 0.0 : 100.0 * static_cast<double>(report.within_slo) / static_cast<double>(all),
        report.per_second(report.within_slo), slo_words(report.slo));
  }
  for (const auto& [status, failure] : report.failures) {
    text += fmt::format("failed        {} x {}: {}\n", failure.count, failure_name(status), failure.first);
  }
  Table table({{"milliseconds"},
               {"mean", Align::kRight},
               {"p50", Align::kRight},
               {"p90", Align::kRight},
               {"p95", Align::kRight},
               {"p99", Align::kRight},
               {"max", Align::kRight}});
  table.add_row(cells_of("first token (TTFT)", report.ttft_ms));
  table.add_row(cells_of("a token (TPOT)", report.tpot_ms));
  table.add_row(cells_of("whole answer", report.latency_ms));
  return text + "\n" + table.aligned();
}

std::string report_csv(const ServeReport& report) {
  std::vector<std::pair<std::string, std::string>> columns{
      {"answered", fmt::format("{}", report.completed)},
      {"failed", fmt::format("{}", report.failed())},
      {"seconds", fmt::format("{:.3f}", report.seconds)},
      {"requests/s", fmt::format("{:.3f}", report.per_second(report.completed))},
      {"tokens in", fmt::format("{}", report.prompt_tokens)},
      {"tokens in/s", fmt::format("{:.2f}", report.per_second(report.prompt_tokens))},
      {"tokens out", fmt::format("{}", report.answer_tokens)},
      {"tokens out/s", fmt::format("{:.2f}", report.per_second(report.answer_tokens))},
      {"hit rate", fmt::format("{:.4f}", report.hit_rate())},
      {"within SLO", fmt::format("{}", report.within_slo)},
      {"goodput/s", fmt::format("{:.3f}", report.per_second(report.within_slo))}};
  for (const auto& [name, spread] : {std::pair<std::string, Spread>{"TTFT", report.ttft_ms},
                                     {"TPOT", report.tpot_ms},
                                     {"answer", report.latency_ms}}) {
    for (const auto& [part, value] : {std::pair<const char*, double>{"mean", spread.mean},
                                      {"p50", spread.p50},
                                      {"p90", spread.p90},
                                      {"p95", spread.p95},
                                      {"p99", spread.p99},
                                      {"max", spread.max}}) {
      columns.emplace_back(fmt::format("{} {} ms", name, part), fmt::format("{:.3f}", value));
    }
  }
  std::vector<Table::Column> titles;
  std::vector<std::string> values;
  for (auto& [title, value] : columns) {
    titles.push_back({title});
    values.push_back(std::move(value));
  }
  Table table(std::move(titles));
  table.add_row(std::move(values));
  return table.csv();
}

std::string report_json(const ServeReport& report, const std::string& url, const std::string& model) {
  boost::json::object failures;
  for (const auto& [status, failure] : report.failures) {
    failures[failure_name(status)] =
        boost::json::object{{"count", failure.count}, {"first", json_text(failure.first)}};
  }
  boost::json::object slo{{"within", report.within_slo},
                          {"requests_per_s", report.per_second(report.within_slo)}};
  if (report.slo.ttft_ms) slo["ttft_ms"] = *report.slo.ttft_ms;
  if (report.slo.tpot_ms) slo["tpot_ms"] = *report.slo.tpot_ms;
  return json_line({{"url", json_text(url)},
                    {"model", json_text(model)},
                    {"answered", report.completed},
                    {"failed", report.failed()},
                    {"failures", std::move(failures)},
                    {"seconds", report.seconds},
                    {"requests_per_s", report.per_second(report.completed)},
                    {"prompt_tokens", report.prompt_tokens},
                    {"prompt_tokens_per_s", report.per_second(report.prompt_tokens)},
                    {"answer_tokens", report.answer_tokens},
                    {"answer_tokens_per_s", report.per_second(report.answer_tokens)},
                    {"cached_tokens", report.cached_tokens},
                    {"hit_rate", report.hit_rate()},
                    {"ttft_ms", json_of(report.ttft_ms)},
                    {"tpot_ms", json_of(report.tpot_ms)},
                    {"latency_ms", json_of(report.latency_ms)},
                    {"slo", std::move(slo)}});
}

}  // namespace cairn
