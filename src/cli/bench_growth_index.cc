// What looking prompts up and inserting their blocks costs as the prefix index grows.
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/machine.h"
#include "cli/bench_full_index.h"
#include "cli/bench_growth.h"
#include "cli/bench_growth_rounds.h"
#include "cli/output_format.h"

namespace cairn {
namespace {

constexpr int kRounds = 15;
constexpr int64_t kTexts = 100;  // looked up, and then inserted, at a point in a round: their mean counts
constexpr int64_t kFirstSize = 1000;
// Inserted beyond what fits, before anything is measured: as many evicted blocks as the index remembers.
constexpr int64_t kEvictedBlocks = 4100;

// By tens, and the most, each of whole texts.
std::vector<int64_t> index_sizes(int64_t most_blocks) {
  std::vector<int64_t> sizes;
  for (int64_t size = kFirstSize; size < most_blocks; size *= 10) sizes.push_back(size);
  const int64_t most = most_blocks / FullIndex::kTextBlocks * FullIndex::kTextBlocks;
  if (sizes.empty() || most > sizes.back()) sizes.push_back(most);
  return sizes;
}

// All of them, one after the other; fewer where it was stopped.
Result<std::vector<FullIndex>> filled_indexes(const std::vector<int64_t>& sizes, const BenchRun& run) {
  LongRun progress(run.console, run.interrupt, "filling prefix indexes");
  int64_t total = 0;
  for (const int64_t size : sizes) total += size + kEvictedBlocks;
  int64_t before = 0;
  std::vector<FullIndex> indexes;
  for (const int64_t size : sizes) {
    CAIRN_ASSIGN_OR_RETURN(FullIndex index, FullIndex::create(size));
    while (index.inserted_blocks() < size + kEvictedBlocks) {
      if (progress.is_stopped()) return indexes;
      CAIRN_RETURN_IF_ERROR(index.insert_next().status());
      progress.update(static_cast<uint64_t>(before + index.inserted_blocks()), static_cast<uint64_t>(total));
    }
    before += index.inserted_blocks();
    indexes.push_back(std::move(index));
  }
  return indexes;
}

// Microseconds: of a text that is there, of one that is not, and of inserting a block of that one.
Result<std::vector<double>> measure(FullIndex& index) {
  double known = 0;
  FullIndex::Insertion inserted;
  for (int64_t text = 0; text < kTexts; ++text) {
    CAIRN_ASSIGN_OR_RETURN(const double seconds, index.look_up_oldest());
    known += seconds;
  }
  for (int64_t text = 0; text < kTexts; ++text) {
    CAIRN_ASSIGN_OR_RETURN(const FullIndex::Insertion seconds, index.insert_next());
    inserted.unknown += seconds.unknown;
    inserted.insert += seconds.insert;
  }
  constexpr double kOfText = 1e6 / static_cast<double>(kTexts);
  constexpr double kOfBlock = kOfText / static_cast<double>(FullIndex::kTextBlocks);
  return std::vector<double>{known * kOfText, inserted.unknown * kOfText, inserted.insert * kOfBlock};
}

}  // namespace

Status check_growth_by_index(int64_t most_blocks) {
  uint64_t needed = 0;
  for (const int64_t size : index_sizes(most_blocks)) {
    CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes, FullIndex::most_bytes(size));
    needed += bytes;
  }
  const uint64_t free = memory_facts().available_bytes;
  if (needed <= free) return {};
  return resource_exhausted(
      fmt::format("a prefix index of {} blocks, and smaller ones beside it, take up to {}, and {} are free: "
                  "give fewer --index-blocks",
                  grouped_count(most_blocks), human_bytes(needed), human_bytes(free)));
}

Result<PlotPanel> growth_by_index(int64_t most_blocks, const BenchRun& run) {
  const std::vector<int64_t> sizes = index_sizes(most_blocks);
  CAIRN_ASSIGN_OR_RETURN(std::vector<FullIndex> indexes, filled_indexes(sizes, run));
  GrowthRounds rounds(
      {fmt::format("a known prompt of {} blocks", FullIndex::kTextBlocks), "an unknown one", "a new block"},
      sizes);
  LongRun progress(run.console, run.interrupt, "measuring prefix indexes");
  CAIRN_RETURN_IF_ERROR(rounds.run(kRounds, progress, [&](size_t point) { return measure(indexes[point]); }));
  return PlotPanel{.title = "The prefix index: a prompt looked up, and a new block",
                   .x_label = "blocks in the index",
                   .y_label = "us",
                   .series = rounds.series()};
}

}  // namespace cairn
