// cairn bench serve: a load generator for any server that speaks OpenAI's API. It needs no model of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "cli/bench_serve_load.h"
#include "cli/commands.h"

namespace cairn {

class Console;

// Which of the server's faces is asked.
enum class ServerFace : uint8_t { kCompletions, kChat };

struct BenchServeOptions {
  std::string url = "http://127.0.0.1:8080";
  std::optional<std::string> api_key;
  std::optional<std::string>
      certificates;                  // --certificates: a PEM file that is trusted instead of the system's
  std::optional<std::string> model;  // absent: the first that the server lists
  ServerFace face = ServerFace::kCompletions;
  LoadOptions load;
  bool ignores_end =
      false;  // --ignore-eos: answers are as long as they may be, where the server knows that field
  std::optional<double> slo_ttft_ms;
  std::optional<double> slo_tpot_ms;
  TableForm table_form = TableForm::kAligned;  // --csv
  OutputForm output_form = OutputForm::kText;
};

// kInterrupted: Ctrl-C ended it; what had been measured until then has been printed. An error where no request was answered.
Result<ExitCode> run_bench_serve(const BenchServeOptions& options, Console& console);

}  // namespace cairn
