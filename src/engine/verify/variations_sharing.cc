// Rows that are found, shared, copied and rolled back.
#include <algorithm>
#include <array>
#include <memory>

#include "engine/drafts/drafter.h"
#include "engine/verify/variations.h"
#include "kv/geometry.h"

namespace cairn {
namespace {

constexpr int64_t kFew = 2;  // tokens decoded behind a prompt

// Prompt lengths that end before, on and behind the edge of a block, as far as the text goes.
std::vector<int64_t> edge_lengths(const Scene& scene, std::span<const int64_t> blocks) {
  std::vector<int64_t> lengths;
  for (const int64_t block : blocks) {
    for (int64_t length = block * kBlockSize - 1; length <= block * kBlockSize + 1; ++length) {
      const bool is_new = lengths.empty() || length > lengths.back();
      if (length >= 1 && length <= scene.length() && is_new) lengths.push_back(length);
    }
  }
  return lengths;
}

int64_t with_a_few(const Scene& scene, int64_t length) { return std::min(length + kFew, scene.length()); }
int64_t whole_blocks_before(int64_t length) { return (length - 1) / kBlockSize * kBlockSize; }
bool fills_a_block(const Scene& scene) { return scene.length() > kBlockSize; }

constexpr const char* kTooFewForABlock = "too few positions to fill a block";

// Each as another tenant's, so that none finds the rows of the one before.
Result<std::string> run_edges(const Scene& scene, Comparison& comparison) {
  constexpr int64_t kBlocks[] = {1, 2};
  const auto lengths = edge_lengths(scene, kBlocks);
  if (lengths.empty()) return std::string(kTooFewForABlock);
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, scene.options(), comparison));
  for (const int64_t length : lengths) {
    require(comparison, 0, 0, with_a_few(scene, length));
    CAIRN_RETURN_IF_ERROR(trial
                              ->submit_text({.prompt_count = length,
                                             .token_count = with_a_few(scene, length),
                                             .wanted = LogitsWanted::kEveryNewPosition,
                                             .salt = std::to_string(length)})
                              .status());
    CAIRN_RETURN_IF_ERROR(trial->finish());
  }
  if (trial->reused_tokens() > 0) return internal_error("rows were shared between tenants");
  return std::string();
}

// The whole text has run; then prompts of all lengths around edges find what they can of it.
Result<std::string> run_found(const Scene& scene, Comparison& comparison) {
  if (!fills_a_block(scene)) return std::string(kTooFewForABlock);
  const int64_t blocks[] = {1, 2, 3, scene.length() / kBlockSize};
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, scene.options(), comparison));
  require(comparison, 0, 0, scene.length());
  CAIRN_RETURN_IF_ERROR(
      trial->submit_text({.prompt_count = scene.length(), .token_count = scene.length()}).status());
  CAIRN_RETURN_IF_ERROR(trial->finish());
  for (const int64_t length : edge_lengths(scene, blocks)) {
    const int64_t before = trial->reused_tokens();
    CAIRN_RETURN_IF_ERROR(trial
                              ->submit_text({.prompt_count = length,
                                             .token_count = with_a_few(scene, length),
                                             .wanted = LogitsWanted::kEveryNewPosition})
                              .status());
    CAIRN_RETURN_IF_ERROR(trial->finish());
    if (trial->reused_tokens() - before != whole_blocks_before(length)) {
      return internal_error("a prompt did not find the rows that were there");
    }
  }
  return std::string();
}

// Four requests for one text and its branches: the first runs already when the others come, or all come at
// once.
Result<std::string> run_found_running(const Scene& scene, Comparison& comparison, int steps) {
  if (!fills_a_block(scene)) return std::string(kTooFewForABlock);
  CAIRN_ASSIGN_OR_RETURN(const auto trial,
                         start_trial(scene, scene.crowd_options(2 + kBranchTexts), comparison));
  require(comparison, 0, 0, scene.length());
  for (const int64_t text : {int64_t{0}, kFirstBranch, kFirstBranch + 1, kFirstBranch + 2, int64_t{0}}) {
    const int64_t length = scene.length_of(text);
    const int64_t shared = text == 0 ? length : branch_beginning(length, text - kFirstBranch);
    require(comparison, text, shared, length);
    CAIRN_RETURN_IF_ERROR(trial
                              ->submit_text({.text = text,
                                             .prompt_count = std::max<int64_t>(1, length * 3 / 4),
                                             .token_count = length,
                                             .wanted = LogitsWanted::kEveryNewPosition})
                              .status());
    trial->steps(steps);
  }
  CAIRN_RETURN_IF_ERROR(trial->finish());
  return remark_on_reuse(*trial, scene.length() * 3 / 4 > kBlockSize, "requests that begin alike");
}

// A request is forked before, on and behind the edge of a block: once to go its own way, once to go on as it
// does.
Result<std::string> run_forks(const Scene& scene, Comparison& comparison) {
  const int64_t length = scene.length();
  CAIRN_ASSIGN_OR_RETURN(const auto trial,
                         start_trial(scene, scene.crowd_options(1 + 2 * kBranchTexts), comparison));
  require(comparison, 0, 0, length);
  const int64_t prompt = std::max<int64_t>(1, branch_beginning(length, 0) - 3);
  CAIRN_ASSIGN_OR_RETURN(const RequestId parent,
                         trial->submit_text({.prompt_count = prompt, .token_count = length}));
  for (int64_t branch = 0; branch < kBranchTexts; ++branch) {
    const int64_t shared = branch_beginning(length, branch);
    while (trial->token_count(parent).value_or(shared) < shared) trial->steps(1);
    if (!trial->token_count(parent).has_value()) return std::string("too few positions to fork at");
    for (const int64_t text : {kFirstBranch + branch, int64_t{0}}) {
      require(comparison, text, shared, length);
      CAIRN_RETURN_IF_ERROR(trial
                                ->fork_text(parent, {.text = text,
                                                     .prompt_count = std::min(shared + branch, length),
                                                     .token_count = length,
                                                     .wanted = LogitsWanted::kEveryNewPosition})
                                .status());
    }
  }
  CAIRN_RETURN_IF_ERROR(trial->finish());
  return remark_on_reuse(*trial, length > kBlockSize, "forks");
}

// All decode together behind a beginning that each has in common with the others: a span and more, so that
// its rows are read once for all of them.
Result<std::string> run_group(const Scene& scene, Comparison& comparison) {
  const int64_t length = scene.length();
  if (branch_beginning(length, 0) < kSpanSize) return std::string("too few positions to share a span");
  EngineOptions options = scene.options();
  options.max_sequences = 2 + kBranchTexts;
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, options, comparison));
  require(comparison, 0, 0, length);
  for (const int64_t text : {int64_t{0}, kFirstBranch, kFirstBranch + 1, kFirstBranch + 2, int64_t{0}}) {
    const int64_t shared = branch_beginning(length, text == 0 ? 0 : text - kFirstBranch);
    require(comparison, text, shared, length);
    CAIRN_RETURN_IF_ERROR(trial
                              ->submit_text({.text = text,
                                             .prompt_count = shared,
                                             .token_count = length,
                                             .wanted = LogitsWanted::kEveryNewPosition})
                              .status());
  }
  CAIRN_RETURN_IF_ERROR(trial->finish());
  return remark_on_reuse(*trial, true, "a group");
}

// Speculative tokens: wrong ones are tried and taken back, out of the open block and out of sealed ones, then
// right ones go in, one and several at a time.
Result<std::string> run_tries(const Scene& scene, Comparison& comparison) {
  constexpr int64_t kWrong[] = {1, 5, 34, 2};
  constexpr int64_t kRight[] = {3, 1, 7, 40, 1};
  const int64_t length = scene.length();
  const std::span<const TokenId> text = scene.texts[0];
  const std::span<const TokenId> others = scene.texts[kFirstBranch + 2];
  require(comparison, 0, 0, length);
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, scene.options(), comparison));
  int64_t right = std::max<int64_t>(1, length / 4);
  CAIRN_RETURN_IF_ERROR(trial->begin_tries(right));
  for (size_t round = 0; right < length; ++round) {
    const int64_t wrong = std::min(kWrong[round % std::size(kWrong)], length - right);
    CAIRN_RETURN_IF_ERROR(trial->try_tokens(others.last(static_cast<size_t>(wrong))));
    CAIRN_RETURN_IF_ERROR(trial->take_back(right));
    const int64_t more = std::min(kRight[round % std::size(kRight)], length - right);
    CAIRN_RETURN_IF_ERROR(
        trial->try_tokens(text.subspan(static_cast<size_t>(right), static_cast<size_t>(more))));
    right += more;
  }
  trial->end_tries();
  CAIRN_RETURN_IF_ERROR(trial->finish());
  return std::string();
}

// Guesses the first text, whatever is asked; one token in five is wrong.
class TextDrafter final : public Drafter {
 public:
  explicit TextDrafter(std::span<const TokenId> text) : text_(text) {}

  [[nodiscard]] std::string_view name() const override { return "text"; }
  void look(std::span<DraftAsk> asks) override {
    constexpr size_t kWrongEvery = 5;
    for (DraftAsk& ask : asks) {
      for (size_t i = 0; i < ask.draft.size(); ++i) {
        const size_t place = (ask.text.size() + i) % text_.size();
        ask.draft[i] = place % kWrongEvery == 0 ? TokenId{0} : text_[place];
      }
      ask.match_length = std::ssize(ask.draft);
    }
  }

 private:
  std::span<const TokenId> text_;
};

// A step takes no time: whatever is guessed runs.
class StoppedClock final : public Clock {
 public:
  [[nodiscard]] uint64_t now_ns() const override { return 0; }
};

// The text, and a branch of it, decoded with guesses that are right, or not.
Result<std::string> run_drafts(const Scene& scene, Comparison& comparison) {
  const StoppedClock clock;
  EngineOptions options = scene.crowd_options(2);
  options.drafter = std::make_shared<TextDrafter>(scene.texts[0]);
  options.clock = &clock;
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, options, comparison));
  for (const int64_t text : {int64_t{0}, kFirstBranch + 1}) {
    const int64_t length = scene.length_of(text);
    const int64_t prompt = std::max<int64_t>(1, length / 4);
    require(comparison, text, prompt, length);
    CAIRN_RETURN_IF_ERROR(trial
                              ->submit_text({.text = text,
                                             .prompt_count = prompt,
                                             .token_count = length,
                                             .wanted = LogitsWanted::kSampled})
                              .status());
  }
  CAIRN_RETURN_IF_ERROR(trial->finish());
  if (scene.length() > kBlockSize && trial->accepted_draft_tokens() == 0) {
    return internal_error("no guess was right");
  }
  return std::string();
}

// Memory for the text and two blocks more, and requests that share what there is.
Result<std::string> run_short_of_memory(const Scene& scene, Comparison& comparison) {
  EngineOptions options = scene.crowd_options(1 + kBranchTexts);
  CAIRN_ASSIGN_OR_RETURN(options.pool_bytes,
                         scene.pool_of(options, KvGeometry::blocks_for(scene.length()) + 2));
  CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, options, comparison));
  require(comparison, 0, 0, scene.length());
  for (const int64_t text : {int64_t{0}, kFirstBranch, kFirstBranch + 1, kFirstBranch + 2}) {
    const int64_t length = scene.length_of(text);
    if (text != 0) require(comparison, text, branch_beginning(length, text - kFirstBranch), length);
    CAIRN_RETURN_IF_ERROR(trial
                              ->submit_text({.text = text,
                                             .prompt_count = std::max<int64_t>(1, length * 2 / 3),
                                             .token_count = length,
                                             .wanted = LogitsWanted::kEveryNewPosition})
                              .status());
  }
  CAIRN_RETURN_IF_ERROR(trial->finish());
  return remark_on_reuse(*trial, scene.length() * 2 / 3 > kBlockSize, "requests short of memory");
}

}  // namespace

std::vector<Variation> sharing_variations(const Scene& scene) {
  const uint64_t one = scene.texts[0].size();
  const auto found_running = [](int steps) {
    return
        [steps](const Scene& s, Comparison& comparison) { return run_found_running(s, comparison, steps); };
  };
  return {{2, "prompts that end at a block's edge", one, run_edges},
          {2, "a prefix found, its owner ended", 2 * one, run_found},
          {2, "a prefix found, its owner running", 2 * one, found_running(3)},
          {2, "alike and at once: one waits", 2 * one, found_running(0)},
          {2, "forked at a block's edges", 2 * one, run_forks},
          {2, "a prefix that a group reads once", one, run_group},
          {2, "tokens tried and taken back", 2 * one, run_tries},
          {2, "guessed ahead, some of it right", 2 * one, run_drafts},
          {2, "shared rows, memory short", 2 * one, run_short_of_memory}};
}

}  // namespace cairn
