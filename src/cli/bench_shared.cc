// cairn bench shared: many sequences behind one prefix.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/bench.h"
#include "cli/bench_driven.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "engine/memory_plan.h"
#include "kv/block_window.h"

namespace cairn {
namespace {

constexpr int64_t kPrefix = 2048;
constexpr int64_t kSequences = 32;
constexpr int64_t kTail = 33;      // tokens of each sequence behind the prefix: a block and one more
constexpr int64_t kTokens = 8;     // decoded by each in a round
constexpr int kRounds = 5;         // one sequence and all of them in turn: medians
constexpr int64_t kHitTail = 256;  // tokens that a hit does not find

struct SharedCost {
  int64_t prefix = 0;
  uint64_t used_bytes = 0;
  uint64_t expected_bytes = 0;  // one prefix and all tails, in whole blocks
  double one_seconds = 0;       // of a step of one sequence
  double all_seconds = 0;       // of a step of all
  double hit_seconds = 0;       // to the first token, of a prompt whose prefix is found
  double rest_seconds = 0;      // of computing just the rest at that depth

  [[nodiscard]] double times_faster() const {
    return static_cast<double>(kSequences) / all_seconds * one_seconds;
  }
  [[nodiscard]] double hit_ratio() const { return hit_seconds / rest_seconds; }
};

class SharedBench {
 public:
  SharedBench(Engine& engine, int64_t vocab_size, int64_t prefix)
      : engine_(engine), vocab_size_(vocab_size), prefix_(prefix) {}

  // All sequences, behind one prefix.
  Status fill() {
    for (int64_t i = 0; i < kSequences; ++i) {
      CAIRN_ASSIGN_OR_RETURN(const RequestId id, begin(prefix_, kTail, i));
      requests_.push_back(id);
    }
    return {};
  }
  // Seconds of a step in which the first `count` sequences decode a token each.
  Result<double> decode(int64_t count) {
    std::vector<double> times;
    for (int64_t token = 0; token < kTokens; ++token) {
      for (int64_t i = 0; i < count; ++i) {
        const std::vector<TokenId> next = varied_tokens(1, vocab_size_, 77 * i + token);
        CAIRN_RETURN_IF_ERROR(engine_.extend(requests_[static_cast<size_t>(i)], next));
      }
      times.push_back(run_until_waiting(engine_));
    }
    return median(times);
  }
  // Ends every sequence; what they shared lies idle.
  void finish() {
    for (const RequestId id : requests_) engine_.cancel(id);
    requests_.clear();
    engine_.step();
  }
  // Seconds to the first token of a prompt behind the prefix, which is found or (other salt) computed first.
  Result<double> first_token(int64_t number) {
    const SteadyClock clock;
    const uint64_t begin_ns = clock.now_ns();
    CAIRN_ASSIGN_OR_RETURN(const RequestId id, begin(prefix_, kHitTail, number));
    const double seconds = static_cast<double>(clock.now_ns() - begin_ns) * 1e-9;
    engine_.cancel(id);
    engine_.step();
    return seconds;
  }
  // Seconds of the same rows where the prefix is in the sequence already.
  Result<double> rest_alone(int64_t number) {
    CAIRN_ASSIGN_OR_RETURN(const RequestId id, begin(prefix_, 0, number));
    CAIRN_RETURN_IF_ERROR(engine_.extend(id, tail(kHitTail, number)));
    const double seconds = run_until_waiting(engine_);
    engine_.cancel(id);
    engine_.step();
    return seconds;
  }

 private:
  [[nodiscard]] std::vector<TokenId> tail(int64_t count, int64_t number) const {
    return varied_tokens(count, vocab_size_, 100'000 + 1'000 * number);
  }
  Result<RequestId> begin(int64_t prefix, int64_t tail_count, int64_t number) {
    Request request{.prompt = varied_tokens(prefix, vocab_size_), .picks = Picks::kByCaller};
    const std::vector<TokenId> rest = tail(tail_count, number);
    request.prompt.insert(request.prompt.end(), rest.begin(), rest.end());
    CAIRN_ASSIGN_OR_RETURN(const RequestId id, engine_.submit(std::move(request)));
    run_until_waiting(engine_);
    if (engine_.stats(id) == nullptr)
      return resource_exhausted("the cache's memory is too small for this bench");
    return id;
  }

  Engine& engine_;
  int64_t vocab_size_;
  int64_t prefix_;
  std::vector<RequestId> requests_;
};

// One prefix and all tails, in whole blocks: of a group with a window, what lies in it when all have their tails.
uint64_t bytes_behind_one_prefix(const KvGeometry& geometry, int64_t prefix) {
  const int64_t length = prefix + kTail;
  const int64_t prefix_end = prefix / kBlockSize;
  uint64_t bytes = 0;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    const BlockWindow window(geometry.visibility(group));
    const int64_t sinks = std::min(window.sink_blocks(), prefix_end);
    const int64_t begin = std::max(sinks, window.first_kept(length));
    const int64_t shared = sinks + std::max<int64_t>(0, prefix_end - begin);
    const int64_t own = KvGeometry::blocks_for(length) - std::max(begin, prefix_end);
    bytes += static_cast<uint64_t>(shared + kSequences * own) * geometry.block_bytes(group);
  }
  return bytes;
}

// A stop ends it after one round of each.
Result<SharedCost> measure(Engine& engine, int64_t vocab_size, int64_t prefix, const BenchRun& run) {
  SharedBench bench(engine, vocab_size, prefix);
  LongRun progress(run.console, run.interrupt, "measuring shared prefixes");
  CAIRN_RETURN_IF_ERROR(bench.fill());
  progress.update(1, 2 * kRounds + 1);
  SharedCost cost{.prefix = prefix,
                  .used_bytes = engine.cache().used_bytes(),
                  .expected_bytes = bytes_behind_one_prefix(engine.cache().geometry(), prefix)};
  std::vector<double> one, all, hits, rests;
  for (int round = 0; round < kRounds && (round == 0 || !progress.is_stopped()); ++round) {
    progress.update(uint64_t{1} + static_cast<uint64_t>(round), 2 * kRounds + 1);
    CAIRN_ASSIGN_OR_RETURN(const double one_seconds, bench.decode(1));
    CAIRN_ASSIGN_OR_RETURN(const double all_seconds, bench.decode(kSequences));
    one.push_back(one_seconds);
    all.push_back(all_seconds);
  }
  bench.finish();
  for (int round = 0; round < kRounds && (round == 0 || !progress.is_stopped()); ++round) {
    progress.update(uint64_t{kRounds + 1} + static_cast<uint64_t>(round), 2 * kRounds + 1);
    CAIRN_ASSIGN_OR_RETURN(const double hit, bench.first_token(1'000 + round));
    CAIRN_ASSIGN_OR_RETURN(const double rest, bench.rest_alone(2'000 + round));
    hits.push_back(hit);
    rests.push_back(rest);
  }
  cost.one_seconds = median(one);
  cost.all_seconds = median(all);
  cost.hit_seconds = median(hits);
  cost.rest_seconds = median(rests);
  return cost;
}

void report_text(const SharedCost& cost, const BenchOptions& options, Console& console) {
  Table table({{"what"}, {"measured", Align::kRight}, {"beside", Align::kRight}, {"ratio", Align::kRight}});
  table.add_row({fmt::format("bytes of {} sequences behind {} shared tokens", kSequences, cost.prefix),
                 grouped(cost.used_bytes),
                 fmt::format("{} one prefix, {} tails", grouped(cost.expected_bytes), kSequences),
                 fmt::format("{:.3f}", static_cast<double>(cost.used_bytes) /
                                           static_cast<double>(cost.expected_bytes))});
  table.add_row({fmt::format("tokens/s of {} sequences", kSequences),
                 fmt::format("{:.1f}", kSequences / cost.all_seconds),
                 fmt::format("{:.1f} of one sequence", 1 / cost.one_seconds),
                 fmt::format("{:.1f}", cost.times_faster())});
  table.add_row({fmt::format("first token of a hit, {} new tokens", kHitTail),
                 human_ns(cost.hit_seconds * 1e9),
                 fmt::format("{} for the new tokens alone", human_ns(cost.rest_seconds * 1e9)),
                 fmt::format("{:.2f}", cost.hit_ratio())});
  console.write(options.table_form == TableForm::kCsv ? table.csv() : table.aligned());
}

void report_json(const SharedCost& cost, Console& console) {
  console.write(json_line({{"prefix_tokens", cost.prefix},
                           {"sequences", kSequences},
                           {"used_bytes", cost.used_bytes},
                           {"expected_bytes", cost.expected_bytes},
                           {"one_step_ms", cost.one_seconds * 1e3},
                           {"all_step_ms", cost.all_seconds * 1e3},
                           {"times_faster", cost.times_faster()},
                           {"hit_ttft_ms", cost.hit_seconds * 1e3},
                           {"unmatched_prefill_ms", cost.rest_seconds * 1e3},
                           {"hit_ratio", cost.hit_ratio()}}));
}

}  // namespace

Status bench_shared(const BenchOptions& options, const BenchRun& run) {
  Console& console = run.console;
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, console));
  EngineOptions settings = opened.engine_options;
  constexpr int64_t kBehind = kHitTail + kTail + kRounds * kTokens * 2;
  const int64_t prefix = std::min(kPrefix, (settings.context - kBehind) / kBlockSize * kBlockSize);
  if (prefix < kBlockSize) {
    return invalid_argument(
        fmt::format("bench shared needs a context of at least {} positions: give a larger --context",
                    kBehind + kBlockSize));
  }
  settings.storage = KvStorageKind::kPaged;
  settings.sharing = PrefixSharing::kOn;
  settings.context = prefix + kBehind;
  settings.max_sequences = kSequences;
  CAIRN_ASSIGN_OR_RETURN(const KvShape shape,
                         kv_shape_of(opened.model->config(), settings.kv_plan, settings.context));
  // Two prefixes and every tail: what sharing needs, not what the sequences would take apart.
  const int64_t blocks = 2 * prefix / kBlockSize + kSequences * KvGeometry::blocks_for(kBehind);
  CAIRN_ASSIGN_OR_RETURN(settings.pool_bytes, pool_bytes_of(Engine::cache_options(shape, settings), blocks));
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, settings));
  CAIRN_ASSIGN_OR_RETURN(const SharedCost cost,
                         measure(*engine, opened.model->config().vocab_size, prefix, run));
  if (options.common.output_form == OutputForm::kJson) {
    report_json(cost, console);
  } else {
    report_text(cost, options, console);
  }
  if (cost.used_bytes == cost.expected_bytes) return {};
  return internal_error(
      "the sequences take other memory than one prefix and their tails: this is a bug, please report it");
}

}  // namespace cairn
