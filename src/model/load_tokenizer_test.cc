// load_tokenizer on files made here: keys of the wrong kind, missing ones, and a pre-tokenizer that the user chose.
#include <gtest/gtest.h>

#include "files/gguf.h"
#include "files/gguf_writer.h"
#include "text/tokenizer.h"
#include "text/tokenizer/byte_level.h"

namespace cairn {
namespace {

// Two merges over single bytes, and a control token.
GgufHeader byte_level_file() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte)
    tokens.push_back(byte_level_of_bytes(std::string(1, static_cast<char>(byte))));
  tokens.insert(tokens.end(), {"12", "123", "<|im_end|>"});
  std::vector<int32_t> types(tokens.size(), 1);
  types.back() = 3;
  return {.metadata = {{"tokenizer.ggml.model", std::string("gpt2")},
                       {"tokenizer.ggml.pre", std::string("gpt-2")},
                       {"tokenizer.ggml.tokens", tokens},
                       {"tokenizer.ggml.token_type", types},
                       {"tokenizer.ggml.merges", std::vector<std::string>{"1 2", "12 3"}}}};
}

void set(GgufHeader& header, const std::string& key, GgufSetting value) {
  std::erase_if(header.metadata, [&](const auto& setting) { return setting.first == key; });
  header.metadata.emplace_back(key, std::move(value));
}

Result<Tokenizer> load(const GgufHeader& header, const TokenizerOptions& options = {}) {
  auto layout = lay_out_gguf(header);
  EXPECT_TRUE(layout.ok()) << layout.status().message();
  const auto file = GgufFile::parse(layout->head);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return load_tokenizer(*file, options);
}

TEST(LoadTokenizer, SpecialIdsOfAnyWrongKindAreLeftOutWithANote) {
  const GgufSetting wrong[] = {int32_t{-1}, int64_t{-1}, uint32_t{259},
                               UINT32_MAX,  UINT64_MAX,  std::string("<|im_end|>"),
                               258.0F,      true,        std::vector<uint32_t>{258}};
  for (const char* key :
       {"bos_token_id", "eos_token_id", "unknown_token_id", "eot_token_id", "eom_token_id"}) {
    for (const GgufSetting& value : wrong) {
      GgufHeader header = byte_level_file();
      set(header, "tokenizer.ggml." + std::string(key), value);
      const auto tokenizer = load(header);
      ASSERT_TRUE(tokenizer.ok()) << key << ": " << tokenizer.status().message();
      ASSERT_EQ(tokenizer->notes().size(), 1U) << key;
      EXPECT_NE(tokenizer->notes()[0].find(key), std::string::npos) << tokenizer->notes()[0];
      const bool is_out_of_range = tokenizer->notes()[0].find("but the vocabulary has") != std::string::npos;
      EXPECT_TRUE(tokenizer->notes()[0].ends_with(is_out_of_range ? "it is ignored" : "it counts as absent"))
          << tokenizer->notes()[0];
      EXPECT_TRUE(tokenizer->is_end(258));
    }
  }
}

TEST(LoadTokenizer, KeysThatNameEndsAreTheirReasons) {
  GgufHeader header = byte_level_file();
  set(header, "tokenizer.ggml.eot_token_id", uint8_t{65});
  set(header, "tokenizer.ggml.eom_token_id", int64_t{66});
  set(header, "tokenizer.ggml.eos_token_id", uint32_t{258});
  const auto tokenizer = load(header);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  std::string text;
  for (const EndToken& end : tokenizer->end_tokens())
    text += std::to_string(end.id) + ": " + end.reason + "; ";
  EXPECT_EQ(text,
            "65: tokenizer.ggml.eot_token_id; 66: tokenizer.ggml.eom_token_id; "
            "258: tokenizer.ggml.eos_token_id, its spelling; ");
  EXPECT_TRUE(tokenizer->notes().empty());
}

TEST(LoadTokenizer, TheUsersPreTokenizerWins) {
  GgufHeader header = byte_level_file();
  const auto count = [&](const TokenizerOptions& options) {
    const auto tokenizer = load(header, options);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    return tokenizer->encode("123")->size();
  };
  EXPECT_EQ(count({}), 1U);
  EXPECT_EQ(count({.pre = "qwen2"}), 3U);
  std::erase_if(header.metadata, [](const auto& setting) { return setting.first == "tokenizer.ggml.pre"; });
  EXPECT_EQ(load(header)->notes().size(), 1U);
  EXPECT_TRUE(load(header, {.pre = "gpt-2"})->notes().empty());
  set(header, "tokenizer.ggml.pre", std::string("of-the-future"));
  EXPECT_EQ(load(header).status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(count({.pre = "gpt-2"}), 1U);
  const auto unknown = load(header, {.pre = "no-such"});
  EXPECT_EQ(unknown.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("llama-bpe"), std::string::npos);
  set(header, "tokenizer.ggml.model", std::string("llama"));
  EXPECT_EQ(load(header, {.pre = "gpt-2"}).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn
