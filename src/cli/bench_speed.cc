// cairn bench speed: decode and prefill beside the machine's ceilings.
#include <fmt/format.h>

#include <vector>

#include "base/clock.h"
#include "cli/bench.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"

namespace cairn {
namespace {

constexpr int64_t kDecodeTokens = 16;  // of a round: probe, decode, peak, prefill
constexpr int64_t kPrefillTokens = 512;

struct Samples {
  std::vector<double> bandwidth, decode_seconds, peak, prefill_seconds;
};

struct Speed {
  double bandwidth = 0;        // bytes/s
  double decode_seconds = 0;   // of a token
  double decode_bytes = 0;     // weights read for a token
  double peak = 0;             // operations/s
  double prefill_seconds = 0;  // of kPrefillTokens
  double prefill_operations = 0;

  [[nodiscard]] double decode_share() const { return decode_bytes / decode_seconds / bandwidth; }
  [[nodiscard]] double prefill_share() const { return prefill_operations / prefill_seconds / peak; }
};

// Runs one request to its end; its statistics.
Result<RequestStats> run_request(Engine& engine, Request request) {
  RequestResult result;
  request.ignore_end_tokens = true;
  request.sampling.temperature = 0;
  request.on_finish = [&](const RequestResult& ended) { result = ended; };
  CAIRN_RETURN_IF_ERROR(engine.submit(std::move(request)).status());
  while (!engine.idle()) engine.step();
  if (!result.status.ok()) return result.status;
  return result.stats;
}

Status measure_round(Engine& engine, const Ceilings& ceilings, int64_t vocab_size, int64_t prefill,
                     Samples& samples) {
  samples.bandwidth.push_back(ceilings.read_bandwidth());
  Request decode;
  decode.prompt = varied_tokens(1, vocab_size);
  decode.max_tokens = kDecodeTokens;
  CAIRN_ASSIGN_OR_RETURN(const RequestStats decoded, run_request(engine, std::move(decode)));
  samples.decode_seconds.push_back(decoded.tpot_ns * 1e-9);
  samples.peak.push_back(ceilings.matrix_peak());
  Request prompt;
  prompt.prompt = varied_tokens(prefill, vocab_size);
  prompt.max_tokens = 1;
  CAIRN_ASSIGN_OR_RETURN(const RequestStats prefilled, run_request(engine, std::move(prompt)));
  samples.prefill_seconds.push_back(static_cast<double>(prefilled.ttft_ns) * 1e-9);
  return {};
}

void report_text(const Speed& speed, const OpenModel& opened, const BenchOptions& options, int64_t prefill,
                 Console& console) {
  Table table({{"what"},
               {"time", Align::kRight},
               {"tokens/s", Align::kRight},
               {"reached", Align::kRight},
               {"ceiling, same run", Align::kRight},
               {"share", Align::kRight}});
  table.add_row({"decode at depth 0", human_ns(speed.decode_seconds * 1e9),
                 fmt::format("{:.2f}", 1 / speed.decode_seconds),
                 fmt::format("{:.1f} GB/s", speed.decode_bytes / speed.decode_seconds * 1e-9),
                 fmt::format("{:.1f} GB/s read", speed.bandwidth * 1e-9),
                 fmt::format("{:.0f} %", speed.decode_share() * 100)});
  table.add_row({fmt::format("prefill of {} tokens", prefill), human_ns(speed.prefill_seconds * 1e9),
                 fmt::format("{:.1f}", static_cast<double>(prefill) / speed.prefill_seconds),
                 fmt::format("{:.0f} GFLOP/s", speed.prefill_operations / speed.prefill_seconds * 1e-9),
                 fmt::format("{:.0f} GFLOP/s {}", speed.peak * 1e-9, isa_name(opened.kernels->isa)),
                 fmt::format("{:.0f} %", speed.prefill_share() * 100)});
  console.write(options.table_form == TableForm::kCsv ? table.csv() : table.aligned());
  if (speed.decode_share() > 1.05) {
    console.note(
        "The engine read faster than the probe: the probe is too low on this machine, so trust no share "
        "above.");
  }
}

void report_json(const Speed& speed, const OpenModel& opened, int64_t prefill, Console& console) {
  console.write(json_line({{"isa", isa_name(opened.kernels->isa)},
                           {"threads", opened.threads->thread_count()},
                           {"read_bytes_per_s", speed.bandwidth},
                           {"peak_flop_per_s", speed.peak},
                           {"decode_ms", speed.decode_seconds * 1e3},
                           {"decode_weight_bytes", speed.decode_bytes},
                           {"decode_share", speed.decode_share()},
                           {"prefill_tokens", prefill},
                           {"prefill_ms", speed.prefill_seconds * 1e3},
                           {"prefill_flop", speed.prefill_operations},
                           {"prefill_share", speed.prefill_share()}}));
}

}  // namespace

Status bench_speed(const BenchOptions& options, const BenchRun& run) {
  Console& console = run.console;
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, console));
  EngineOptions engine_settings = opened.engine_options;
  const int64_t prefill = std::min(kPrefillTokens, engine_settings.context - 1);
  engine_settings.sharing = PrefixSharing::kOff;  // each prefill must run
  engine_settings.context = std::min(engine_settings.context, kPrefillTokens + kDecodeTokens);
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, engine_settings));
  CAIRN_ASSIGN_OR_RETURN(const Ceilings ceilings, Ceilings::create(*opened.threads, opened.kernels->isa));
  console.note(describe_choices(opened, engine_settings, engine->cache()));

  Samples samples;
  const int64_t vocab_size = opened.model->config().vocab_size;
  {
    LongRun progress(console, run.interrupt, "measuring speed");
    const auto rounds = static_cast<uint64_t>(options.rounds);
    for (uint64_t round = 0; round <= rounds; ++round) {
      if (progress.is_stopped() && round >= 2) break;
      if (progress.is_stopped()) return {};
      CAIRN_RETURN_IF_ERROR(measure_round(*engine, ceilings, vocab_size, prefill, samples));
      if (round == 0) samples = {};  // it warmed up
      progress.update(round + 1, rounds + 1);
    }
  }
  const Model& model = *opened.model;
  const Speed speed{.bandwidth = median(samples.bandwidth),
                    .decode_seconds = median(samples.decode_seconds),
                    .decode_bytes = static_cast<double>(model.decode_weight_bytes()),
                    .peak = median(samples.peak),
                    .prefill_seconds = median(samples.prefill_seconds),
                    .prefill_operations = 2.0 * (static_cast<double>(model.layer_products_per_row()) *
                                                     static_cast<double>(prefill) +
                                                 static_cast<double>(model.output_products_per_row()))};
  if (options.common.output_form == OutputForm::kJson) {
    report_json(speed, opened, prefill, console);
  } else {
    report_text(speed, opened, options, prefill, console);
  }
  return {};
}

}  // namespace cairn
