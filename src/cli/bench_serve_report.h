// What `cairn bench serve` found out: its results as numbers, a table, a line of CSV or JSON. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench_serve_call.h"

namespace cairn {

// Of values in ms; all zero where there are none. A percentile is the smallest value that at least so many do not exceed.
struct Spread {
  size_t count = 0;
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};
[[nodiscard]] Spread spread_of(std::vector<double> values);

struct Slo {
  std::optional<double> ttft_ms;
  std::optional<double> tpot_ms;
  [[nodiscard]] bool is_given() const { return ttft_ms || tpot_ms; }
};

struct ServeReport {
  struct Failure {
    int64_t count = 0;
    std::string first;  // sentence
  };
  int64_t completed = 0;
  std::map<int, Failure>
      failures;        // by status of HTTP; 0: no reply; 200: a stream that was cut or went wrong
  double seconds = 0;  // first request to last end
  int64_t prompt_tokens = 0, cached_tokens = 0, answer_tokens = 0;  // of the completed
  Spread ttft_ms, tpot_ms, latency_ms;
  Slo slo;
  int64_t within_slo = 0;

  [[nodiscard]] int64_t failed() const;
  [[nodiscard]] double per_second(int64_t count) const;
  [[nodiscard]] double hit_rate() const;  // cached tokens of prompt tokens
};

[[nodiscard]] ServeReport report_of(const std::vector<CallResult>& results, const Slo& slo);

[[nodiscard]] std::string report_text(const ServeReport& report);
// Two lines: titles and values.
[[nodiscard]] std::string report_csv(const ServeReport& report);
[[nodiscard]] std::string report_json(const ServeReport& report, const std::string& url,
                                      const std::string& model);

}  // namespace cairn
