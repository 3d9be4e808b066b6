// A JSON Schema of any bytes (behind "tools\n": the parameters of a tool): compiling it ends in a guide or a Status, and a
// reply drawn from a guide's masks is never stuck, and ends in time where it can.
#include <boost/json/parse.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "text/grammar/guide.h"

namespace {

constexpr int64_t kTokensMax = 48;

std::shared_ptr<const cairn::TokenTrie> vocabulary() {
  cairn::PlainVocabulary plain;
  for (int byte = 0; byte < 256; ++byte) plain.texts.emplace_back(1, static_cast<char>(byte));
  for (const char* text : {"{\"", "\":", "\", \"", "\"}", "}}", "[]", "tru", "12", "ab", "\\u", "\xC3\xA9",
                           "\n  ", "</tool_call>"}) {
    plain.texts.emplace_back(text);
  }
  plain.texts.emplace_back();
  plain.end_tokens = {static_cast<cairn::TokenId>(plain.texts.size() - 1)};
  return cairn::TokenTrie::build(plain).value();
}

void draw_reply(const std::shared_ptr<const cairn::Guide>& guide, uint64_t seed) {
  cairn::GuideWalk walk(guide);
  const int64_t size = guide->trie().vocab_size();
  cairn::TokenMask mask(size);
  const bool must_end = walk.closing_tokens() <= kTokensMax;
  for (int64_t i = 0; i < kTokensMax && !walk.has_ended(); ++i) {
    mask.allow_all();
    walk.restrict(mask, kTokensMax - i);
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    auto token = static_cast<cairn::TokenId>((seed >> 33) % static_cast<uint64_t>(size));
    int64_t tried = 0;
    while (!mask.allows(token) && tried++ < size) token = static_cast<cairn::TokenId>((token + 1) % size);
    if (!mask.allows(token) || !walk.take(token)) std::abort();
  }
  if (must_end && !walk.has_ended()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const std::shared_ptr<const cairn::TokenTrie> trie = vocabulary();
  constexpr std::string_view kTools = "tools\n";
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool is_tool = text.starts_with(kTools);
  if (is_tool) text.remove_prefix(kTools.size());
  boost::system::error_code error;
  boost::json::value schema = boost::json::parse({text.data(), text.size()}, error);
  if (error) return 0;
  cairn::GuideSpec spec;
  if (is_tool) {
    spec.tools = cairn::ToolCallSpec{};
    spec.tools->tools = {{"tool", std::move(schema)}};
    spec.tools->form = cairn::hermes_tool_form();
    spec.tools->text_before = cairn::ToolCallSpec::TextBefore::kFree;
  } else {
    spec.answer = {cairn::AnswerSpec::Kind::kJsonSchema, std::move(schema)};
  }
  const auto guide = cairn::Guide::compile(trie, spec);
  if (!guide.ok()) return 0;
  for (uint64_t seed = 1; seed < 4; ++seed) draw_reply(*guide, seed + size);
  return 0;
}
