#include "engine/verify/variations.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace cairn {
namespace {

constexpr int64_t kChunks[] = {1, 7, 64, 512};

// A prompt, then the rest one by one.
Result<std::string> run_alone(const Scene& scene, Comparison& comparison, int64_t prompt_count,
                              int thread_count, const EngineOptions& options) {
  require(comparison, 0, 0, scene.length());
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, thread_count, options, comparison));
  CAIRN_RETURN_IF_ERROR(
      trial->submit_text({.prompt_count = prompt_count, .token_count = scene.length()}).status());
  CAIRN_RETURN_IF_ERROR(trial->finish());
  return std::string();
}

// How `generate --cache none` computes the logits at a position: all positions up to it, its own logits only.
Result<std::string> run_from_scratch(const Scene& scene, Comparison& comparison) {
  CAIRN_ASSIGN_OR_RETURN(const auto trial,
                         start_trial(scene, scene.options(KvStorageKind::kNone), comparison));
  for (const int64_t position : scene.scratch_positions) {
    comparison.require(0, position);
    CAIRN_RETURN_IF_ERROR(trial->submit_last(0, position + 1));
    CAIRN_RETURN_IF_ERROR(trial->finish());
    scene.on_work(position);
  }
  return std::string();
}

// Two thirds of the text as the prompt: prefill and decode both cross blocks.
int64_t prompt_of(int64_t length) { return std::max<int64_t>(1, length * 2 / 3); }
// Short prompts, so that most of the text is decoded beside the others.
int64_t crowd_prompt_of(int64_t length) { return std::max<int64_t>(1, length / 3); }

Status submit_crowd(const Scene& scene, Trial& trial, int64_t first, int64_t last) {
  for (int64_t text = first; text < last; ++text) {
    const int64_t length = scene.length_of(text);
    CAIRN_RETURN_IF_ERROR(
        trial.submit_text({.text = text, .prompt_count = crowd_prompt_of(length), .token_count = length})
            .status());
  }
  return {};
}

Result<std::string> run_crowd(const Scene& scene, Comparison& comparison) {
  require_texts(scene, comparison, 0, kCrowdTexts);
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, scene.crowd_options(kCrowdTexts), comparison));
  CAIRN_RETURN_IF_ERROR(submit_crowd(scene, *trial, 0, kCrowdTexts));
  CAIRN_RETURN_IF_ERROR(trial->finish());
  return std::string();
}

// Half of the company runs already when the text comes; the others come while it runs.
Result<std::string> run_late(const Scene& scene, Comparison& comparison) {
  require_texts(scene, comparison, 0, kCrowdTexts);
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, scene.crowd_options(kCrowdTexts), comparison));
  CAIRN_RETURN_IF_ERROR(submit_crowd(scene, *trial, kCrowdTexts / 2, kCrowdTexts));
  trial->steps(5);
  for (int64_t text = 0; text < kCrowdTexts / 2; ++text) {
    CAIRN_RETURN_IF_ERROR(submit_crowd(scene, *trial, text, text + 1));
    trial->steps(3);
  }
  CAIRN_RETURN_IF_ERROR(trial->finish());
  return std::string();
}

// Memory for the text and two blocks more: the others lose theirs and are computed again.
Result<std::string> run_preempted(const Scene& scene, Comparison& comparison) {
  EngineOptions options = scene.crowd_options(kCrowdTexts);
  CAIRN_ASSIGN_OR_RETURN(options.pool_bytes,
                         scene.pool_of(options, KvGeometry::blocks_for(scene.length()) + 2));
  require_texts(scene, comparison, 0, kCrowdTexts);
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, options, comparison));
  CAIRN_RETURN_IF_ERROR(submit_crowd(scene, *trial, 0, kCrowdTexts));
  CAIRN_RETURN_IF_ERROR(trial->finish());
  if (trial->preemptions() > 0) return std::string();
  if (scene.length() <= 3 * kBlockSize) return std::string("too few positions to run out of memory");
  if (trial->cache().max_length() == trial->cache().context()) {
    return std::string("every layer has a window: memory never runs out");
  }
  if (scene.length() > 10 * kBlockSize)
    return std::string("the others are too short to run out of memory with");
  return internal_error("memory was short, yet nothing was preempted");
}

constexpr int64_t kEnoughForTurns = 8;  // positions

// Three turns of a conversation; each continues on the rows of the one before.
Result<std::string> run_turns(const Scene& scene, Comparison& comparison) {
  require(comparison, 0, 0, scene.length());
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, scene.options(), comparison));
  const SessionId session = trial->open_session();
  const int64_t length = scene.length();
  int64_t end = 0;
  for (const int64_t part : {length * 2 / 5, length * 3 / 4, length}) {
    const int64_t prompt_count = std::max<int64_t>(1, (end + part) / 2);
    end = std::max(part, prompt_count);
    CAIRN_RETURN_IF_ERROR(
        trial->submit_text({.prompt_count = prompt_count, .token_count = end, .session = session}).status());
    CAIRN_RETURN_IF_ERROR(trial->finish());
  }
  return remark_on_reuse(*trial, length >= kEnoughForTurns, "turns");
}

// A turn goes on with other tokens; then it is edited: those rows go, and the true ones are computed. Once
// cut in the middle of a block, once at a block's edge.
Result<std::string> run_edited(const Scene& scene, Comparison& comparison) {
  require(comparison, 0, 0, scene.length());
  const int64_t length = scene.length();
  const int64_t middle = std::max<int64_t>(1, length / 2) | 1;
  const int64_t edge = std::max<int64_t>(1, length * 3 / 4 / kBlockSize * kBlockSize);
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, scene.options(), comparison));
  const SessionId session = trial->open_session();
  for (const int64_t kept : {std::min(middle, length - 1), std::min(edge, length - 1)}) {
    const std::vector<TokenId>& others = scene.texts[kCompanionTexts];
    const auto count = static_cast<size_t>(std::min<int64_t>(std::ssize(others), length - kept));
    CAIRN_RETURN_IF_ERROR(trial->submit_altered(0, kept, std::span(others).first(count), session));
    CAIRN_RETURN_IF_ERROR(trial->finish());
    CAIRN_RETURN_IF_ERROR(
        trial->submit_text({.prompt_count = length, .token_count = length, .session = session}).status());
    CAIRN_RETURN_IF_ERROR(trial->finish());
  }
  // A cut block that its codec sealed as a whole is computed again: below two blocks nothing else may be
  // there.
  return remark_on_reuse(*trial, length >= 2 * kBlockSize, "an edited turn");
}

Variation from_scratch(const Scene& scene) {
  const auto& positions = scene.scratch_positions;
  return {1, "no cache, each position from scratch",
          static_cast<uint64_t>(std::accumulate(positions.begin(), positions.end(), std::ssize(positions))),
          run_from_scratch};
}

Variation stored_as(const Scene& scene, KvStorageKind kind) {
  return {1, fmt::format("{} cache, prefill and decode", kv_storage_kind_name(kind)), scene.texts[0].size(),
          [kind](const Scene& s, Comparison& comparison) {
            return run_alone(s, comparison, prompt_of(s.length()), s.thread_count, s.options(kind));
          }};
}

Variation prefill_chunk(const Scene& scene, int64_t chunk) {
  return {2, fmt::format("prefill chunk {}", chunk), scene.texts[0].size(),
          [chunk](const Scene& s, Comparison& comparison) {
            EngineOptions options = s.options();
            options.prefill_chunk = chunk;
            return run_alone(s, comparison, s.length(), s.thread_count, options);
          }};
}

Variation threads(const Scene& scene, int thread_count) {
  return {2, fmt::format("{} thread{}", thread_count, thread_count == 1 ? "" : "s"), scene.texts[0].size(),
          [thread_count](const Scene& s, Comparison& comparison) {
            return run_alone(s, comparison, prompt_of(s.length()), thread_count, s.options());
          }};
}

}  // namespace

Result<std::vector<LogitRecord>> expected_logits(const Scene& scene) {
  std::vector<LogitRecord> records;
  for (const auto& text : scene.texts) {
    records.emplace_back(static_cast<int64_t>(text.size()), scene.model->config().vocab_size);
  }
  CAIRN_ASSIGN_OR_RETURN(
      const auto trial,
      Trial::start(trial_setting(scene, scene.thread_count), scene.options(KvStorageKind::kNone),
                   [&](int64_t text, int64_t position, std::span<const float> logits) {
                     records[static_cast<size_t>(text)].put(position, logits);
                     scene.on_work(1);
                   }));
  for (int64_t text = 0; text < std::ssize(scene.texts); ++text) {
    const int64_t length = scene.length_of(text);
    CAIRN_RETURN_IF_ERROR(
        trial->submit_text({.text = text, .prompt_count = length, .token_count = length}).status());
    CAIRN_RETURN_IF_ERROR(trial->finish());
  }
  return records;
}

std::vector<Variation> law_variations(const Scene& scene, std::span<const int> thread_counts) {
  const uint64_t all = scene.work_of(0, kCrowdTexts);
  const uint64_t one = scene.texts[0].size();
  if (scene.scope == Scope::kThoseThatCodecsCouldBreak) {
    std::vector<Variation> few{stored_as(scene, KvStorageKind::kPaged), prefill_chunk(scene, 7)};
    for (Variation& variation : sharing_variations(scene)) few.push_back(std::move(variation));
    for (Variation& variation : tier_variations(scene)) few.push_back(std::move(variation));
    return few;
  }
  std::vector<Variation> list{from_scratch(scene)};
  for (const KvStorageKind kind :
       {KvStorageKind::kGrowing, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    list.push_back(stored_as(scene, kind));
  }
  for (const int64_t chunk : kChunks) list.push_back(prefill_chunk(scene, chunk));
  for (const int count : thread_counts) list.push_back(threads(scene, count));
  list.push_back({2, fmt::format("in a batch of {}", kCrowdTexts), all, run_crowd});
  list.push_back({2, "others come and go beside it", all, run_late});
  list.push_back({2, "preempted and run again", all, run_preempted});
  list.push_back({2, "a conversation's turns", one, run_turns});
  list.push_back({2, "a turn edited, rows cut and redone", one, run_edited});
  for (Variation& variation : sharing_variations(scene)) list.push_back(std::move(variation));
  for (Variation& variation : tier_variations(scene)) list.push_back(std::move(variation));
  for (Variation& variation : memory_variations(scene)) list.push_back(std::move(variation));
  return list;
}

}  // namespace cairn
