#include "engine/verify/texts.h"

#include <algorithm>

#include "base/random.h"
#include "kernels/codecs/kv_codec.h"

namespace cairn {
namespace {

// Lewis Carroll, Alice's Adventures in Wonderland (1865), which belongs to everybody.
constexpr const char* kPassage =
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to "
    "do: "
    "once or twice she had peeped into the book her sister was reading, but it had no pictures or "
    "conversations in it, \"and what is the use of a book,\" thought Alice \"without pictures or "
    "conversations?\"\n\nSo she was considering in her own mind (as well as she could, for the hot day made "
    "her "
    "feel very sleepy and stupid), whether the pleasure of making a daisy-chain would be worth the trouble "
    "of "
    "getting up and picking the daisies, when suddenly a White Rabbit with pink eyes ran close by her.\n\n"
    "There was nothing so very remarkable in that; nor did Alice think it so very much out of the way to "
    "hear "
    "the Rabbit say to itself, \"Oh dear! Oh dear! I shall be late!\" (when she thought it over afterwards, "
    "it "
    "occurred to her that she ought to have wondered at this, but at the time it all seemed quite natural); "
    "but "
    "when the Rabbit actually took a watch out of its waistcoat-pocket, and looked at it, and then hurried "
    "on, "
    "Alice started to her feet, for it flashed across her mind that she had never before seen a rabbit with "
    "either a waistcoat-pocket, or a watch to take out of it, and burning with curiosity, she ran across the "
    "field after it, and fortunately was just in time to see it pop down a large rabbit-hole under the "
    "hedge.\n\n"
    "In another moment down went Alice after it, never once considering how in the world she was to get out "
    "again.\n\nThe rabbit-hole went straight on like a tunnel for some way, and then dipped suddenly down, "
    "so "
    "suddenly that Alice had not a moment to think about stopping herself before she found herself falling "
    "down "
    "a very deep well.\n\n";

std::vector<TokenId> random_text(uint64_t seed, uint64_t text, int64_t count, int64_t vocab_size) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = random_bits(seed, text, static_cast<uint64_t>(i));
    tokens.push_back(static_cast<TokenId>(bits % static_cast<uint64_t>(vocab_size)));
  }
  return tokens;
}

// The passage's tokens, over and over; empty where it has none.
std::vector<TokenId> passage_text(const Model& model, int64_t count) {
  const auto encoded = model.tokenizer().encode(kPassage);
  if (!encoded.ok() || encoded->size() < 2) return {};
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) {
    const TokenId token = (*encoded)[static_cast<size_t>(i) % encoded->size()];
    if (token >= model.config().vocab_size) return {};
    tokens.push_back(token);
  }
  return tokens;
}

// Companions end in different blocks, and cost together about as much as the text itself.
int64_t companion_length(int64_t index, int64_t position_count) {
  return std::max<int64_t>(2,
                           std::min(position_count * (index + 2) / (kCompanionTexts + 2), 31 + 11 * index));
}

}  // namespace

int64_t branch_beginning(int64_t position_count, int64_t i) {
  constexpr int64_t kApart = 9;  // tokens
  const int64_t edge = (position_count - kApart) / kBlockSize * kBlockSize;
  if (position_count <= kApart || edge == 0)
    return std::clamp<int64_t>(position_count / 2 + i, 1, position_count - 1);
  return edge - 1 + i;
}

LawTexts law_texts(const Model& model, TextKind kind, int64_t position_count, uint64_t seed) {
  const int64_t vocab_size = model.config().vocab_size;
  LawTexts texts(1);
  if (kind == TextKind::kPassage) texts[0] = passage_text(model, position_count);
  if (texts[0].empty()) texts[0] = random_text(seed, 0, position_count, vocab_size);
  for (int64_t i = 0; i < kCompanionTexts; ++i) {
    const auto stream = static_cast<uint64_t>(i) + 1;
    texts.push_back(random_text(seed, stream, companion_length(i, position_count), vocab_size));
  }
  for (int64_t i = 0; i < kBranchTexts; ++i) {
    const auto stream = static_cast<uint64_t>(kFirstBranch + i);
    texts.push_back(random_text(seed, stream, position_count, vocab_size));
    const int64_t shared = branch_beginning(position_count, i);
    std::copy_n(texts[0].begin(), shared, texts.back().begin());
    TokenId& first = texts.back()[static_cast<size_t>(shared)];
    if (first == texts[0][static_cast<size_t>(shared)])
      first = static_cast<TokenId>((first + 1) % vocab_size);
  }
  return texts;
}

}  // namespace cairn
