#include "cli/bench.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "cli/console.h"
#include "cli/terminal_input.h"
#include "engine/engine.h"
#include "kernels/probe.h"
#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

// What the formats' names alone do not show: the next best, which heads get that cannot be rotated; codecs that work row
// by row; keys and values apart.
constexpr std::string_view kComparisons[] = {
    "k=int8:channel,v=int8:token", "int8:token",    "k=int4:channel,v=int4:token",
    "int4:token:hadamard",         "int4:token",    "k=int3:channel,v=int3:token",
    "k=int2:channel,v=int2:token", "k=int4,v=int8", "k=int8,v=int4"};

constexpr uint64_t kBufferBytes = uint64_t{768} << 20;  // several times a large last-level cache

double seconds_since(uint64_t start_ns) {
  return static_cast<double>(SteadyClock().now_ns() - start_ns) * 1e-9;
}

}  // namespace

Result<Ceilings> Ceilings::create(ThreadPool& threads, Isa isa) {
  CAIRN_ASSIGN_OR_RETURN(PageMemory buffer, PageMemory::allocate(kBufferBytes));
  std::memset(buffer.data(), 1, buffer.bytes());  // untouched pages would all be the same page of zeros
  return Ceilings(threads, isa, std::move(buffer));
}

double Ceilings::read_bandwidth() const {
  double best = 0;
  uint64_t seen = 0;
  for (const ReadPattern pattern : kReadPatterns) {
    const uint64_t start = SteadyClock().now_ns();
    seen ^= read_once(*threads_, isa_, {buffer_.data(), buffer_.bytes()}, pattern);
    best = std::max(best, static_cast<double>(buffer_.bytes()) / seconds_since(start));
  }
  return seen == 1 ? 0 : best;  // never 1 in practice: what was read must be used
}

double Ceilings::matrix_peak() const {
  constexpr int kTries = 5;
  const int64_t rounds = isa_ == Isa::kAmx ? 100'000 : 2'000'000;  // a few milliseconds
  double best = 0;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t start = SteadyClock().now_ns();
    const double operations = multiply_once(*threads_, isa_, rounds);
    best = std::max(best, operations / seconds_since(start));
  }
  return best;
}

double median(std::vector<double> values) {
  const size_t middle = (values.size() - 1) / 2;
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(middle));
  return values[middle];
}

std::vector<TokenId> varied_tokens(int64_t count, int64_t vocab_size, int64_t first) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = first; i < first + count; ++i) {
    tokens.push_back(static_cast<TokenId>((i * 7919 + 13) % vocab_size));
  }
  return tokens;
}

std::vector<KvPlan> codecs_to_compare(const Config& config) {
  std::vector<KvPlan> plans = kv_plans_of_every_format();
  for (const std::string_view text : kComparisons) {
    KvPlan plan = KvPlan::parse(text).value();
    if (plan.resolve(config.layer_count, config.head_dim).ok()) plans.push_back(std::move(plan));
  }
  return plans;
}

std::vector<KvPlan> every_codec(const Config& config) {
  std::vector<KvPlan> plans;
  for (const KvFormatInfo& info : kKvFormats) {
    if (!kv_is_integer(info.format)) {
      plans.emplace_back(info.format);
      continue;
    }
    for (const KvTransform transform : {KvTransform::kHadamard, KvTransform::kNone}) {
      const KvCodec by_channel{info.format, KvAxis::kChannel, transform};
      const KvCodec by_token{info.format, KvAxis::kToken, transform};
      if (transform == KvTransform::kHadamard && !kv_can_rotate(config.head_dim)) continue;
      plans.insert(plans.end(), {KvPlan({by_channel, by_channel}), KvPlan({by_channel, by_token}),
                                 KvPlan({by_token, by_channel}), KvPlan({by_token, by_token})});
    }
  }
  return plans;
}

Result<double> seconds_to_first_token(Engine& engine, Request request) {
  request.max_tokens = 1;
  std::optional<Status> end;
  request.on_finish = [&end](const RequestResult& result) { end = result.status; };
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  CAIRN_RETURN_IF_ERROR(engine.submit(std::move(request)).status());
  while (!end.has_value()) engine.step();
  CAIRN_RETURN_IF_ERROR(*end);
  return static_cast<double>(clock.now_ns() - begin_ns) * 1e-9;
}

Result<ExitCode> run_bench(const BenchOptions& options, Console& console) {
  using Run = Status (*)(const BenchOptions&, const BenchRun&);
  const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
  constexpr std::pair<BenchSubject, Run> kSubjects[] = {{BenchSubject::kSpeed, bench_speed},
                                                        {BenchSubject::kCache, bench_cache},
                                                        {BenchSubject::kDepth, bench_depth},
                                                        {BenchSubject::kShared, bench_shared},
                                                        {BenchSubject::kCodecs, bench_codecs},
                                                        {BenchSubject::kStream, bench_stream},
                                                        {BenchSubject::kPace, bench_pace},
                                                        {BenchSubject::kScheduler, bench_scheduler},
                                                        {BenchSubject::kConstrained, bench_constrained},
                                                        {BenchSubject::kSpeculate, bench_speculate},
                                                        {BenchSubject::kGrowth, bench_growth},
                                                        {BenchSubject::kTiers, bench_tiers}};
  for (const auto& [subject, run] : kSubjects) {
    const bool is_one_of_all = options.subject == BenchSubject::kAll && subject != BenchSubject::kScheduler &&
                               subject != BenchSubject::kStream && subject != BenchSubject::kPace &&
                               subject != BenchSubject::kConstrained && subject != BenchSubject::kTiers &&
                               subject != BenchSubject::kSpeculate && subject != BenchSubject::kGrowth &&
                               (subject != BenchSubject::kCodecs || !options.text_files.empty());
    if (options.subject != subject && !is_one_of_all) continue;
    CAIRN_RETURN_IF_ERROR(run(options, {console, interrupt}));
    if (interrupt.is_raised()) return ExitCode::kInterrupted;
  }
  return ExitCode::kDone;
}

}  // namespace cairn
