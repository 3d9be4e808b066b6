// Tokenizers from tokenizer.json: the steps that the shared files do not have, and the errors of damaged
// files.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "text/tokenizer.h"

namespace cairn {
namespace {

namespace json = boost::json;

json::object small_json() {
  json::object root = json::parse(R"({
    "added_tokens": [
      {"id": 8, "content": "<s>", "special": true},
      {"id": 9, "content": "<|im_end|>", "special": true, "lstrip": true, "rstrip": true},
      {"id": 10, "content": "aba", "single_word": true}],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": false, "fuse_unk": true,
      "vocab": {"<unk>": 0, "a": 1, "b": 2, " ": 3, "ab": 4, "abab": 5, "x": 6, "é": 7},
      "merges": ["a b", ["ab", "ab"]]}})")
                          .as_object();
  return root;
}

Tokenizer make(const json::object& root) {
  auto made = make_tokenizer(root);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

std::vector<TokenId> encode(const Tokenizer& t, std::string_view text,
                            SpecialText special = SpecialText::kParsed) {
  auto ids = t.encode(text, {BosEos::kAsModelSays, special});
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : std::vector<TokenId>();
}

using Ids = std::vector<TokenId>;

std::string end_text(const Tokenizer& t) {
  std::string text;
  for (const EndToken& end : t.end_tokens()) text += std::to_string(end.id) + ": " + end.reason + "; ";
  return text;
}

// Sets the value at `path` ("model.vocab") to what `text` says, and returns the error.
std::string error_with(std::string_view path, std::string_view text,
                       StatusCode code = StatusCode::kInvalidData) {
  json::object root = small_json();
  json::object* at = &root;
  size_t dot = path.find('.');
  if (dot != std::string_view::npos) {
    at = &at->at(path.substr(0, dot)).as_object();
    path.remove_prefix(dot + 1);
  }
  (*at)[path] = json::parse(text);
  const auto made = make_tokenizer(root);
  EXPECT_FALSE(made.ok()) << path << " " << text;
  EXPECT_EQ(made.status().code(), code) << made.status().message();
  return made.status().message();
}

testing::AssertionResult has(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << message << "\" does not say \"" << part << "\"";
}

TEST(TokenizerJson, MergesAndUnknowns) {
  const Tokenizer t = make(small_json());
  EXPECT_EQ(encode(t, "ababab"), (Ids{5, 4}));
  EXPECT_EQ(encode(t, "azzb"), (Ids{1, 0, 2}));
  EXPECT_EQ(t.vocab_size(), 11);
  EXPECT_EQ(t.kind(), "bpe");
}

// Nothing stands for them, and what was on their sides joins.
TEST(TokenizerJson, CharactersWithoutAnyTokenAreLeftOut) {
  json::object root = small_json();
  root.at("model").as_object().at("unk_token") = nullptr;
  const Tokenizer t = make(root);
  EXPECT_EQ(encode(t, "azzb"), (Ids{4}));
  EXPECT_EQ(encode(t, "zxz"), (Ids{6}));
  EXPECT_EQ(encode(t, "z"), (Ids{}));
  EXPECT_EQ(encode(t, "aé日b"), (Ids{1, 7, 2}));
}

TEST(TokenizerJson, AddedTokensAndTheirOptions) {
  const Tokenizer t = make(small_json());
  EXPECT_EQ(encode(t, "a \n<|im_end|>\t b"), (Ids{1, 9, 2}));
  EXPECT_EQ(encode(t, "aba aba"), (Ids{10, 3, 10}));
  EXPECT_EQ(encode(t, "abab"), (Ids{5}));  // "aba" is not a word of its own here
  EXPECT_EQ(encode(t, "<s>ab"), (Ids{8, 4}));
  EXPECT_EQ(encode(t, "<s>ab", SpecialText::kLiteral), (Ids{0, 4}));
  EXPECT_EQ(t.find("<|im_end|>"), 9);
  EXPECT_TRUE(t.is_end(9));
  EXPECT_FALSE(t.is_special(10));
}

TEST(TokenizerJson, TemplateAndConfig) {
  json::object root = small_json();
  root["post_processor"] = json::parse(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"},
    {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}},
      {"SpecialToken": {"id": "<|im_end|>"}}],
     "special_tokens": {"<s>": {"ids": [8]}, "<|im_end|>": {"ids": [9]}}}]})");
  const Tokenizer t = make(root);
  EXPECT_EQ(encode(t, "ab"), (Ids{8, 4, 9}));
  EXPECT_EQ(t.bos(), 8);
  EXPECT_EQ(*t.encode("ab", {BosEos::kNone, SpecialText::kLiteral}), (Ids{4}));
  const json::object config = json::parse(R"({"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": false,
    "add_eos_token": true, "bos_token": "<s>", "eos_token": {"content": "x"}})")
                                  .as_object();
  const json::object generation = json::parse(R"({"eos_token_id": [6, 7]})").as_object();
  const json::object model = json::parse(R"({"eos_token_id": 4})").as_object();
  const auto configured = make_tokenizer(root, {&config, &generation, &model});
  ASSERT_TRUE(configured.ok()) << configured.status().message();
  EXPECT_EQ(encode(*configured, "ab"), (Ids{4, 6}));
  EXPECT_EQ(configured->eos(), 6);
  EXPECT_EQ(end_text(*configured),
            "4: \"eos_token_id\" in config.json; "
            "6: \"eos_token\" in tokenizer_config.json, \"eos_token_id\" in generation_config.json; "
            "7: \"eos_token_id\" in generation_config.json; 9: its spelling; ");
  EXPECT_TRUE(configured->notes().empty());
  EXPECT_EQ(*configured->encode("ab", {.bos_eos = BosEos::kOfPrompt}), (Ids{4}));  // no end behind it
  EXPECT_EQ(*t.encode("ab", {.bos_eos = BosEos::kOfPrompt}), (Ids{8, 4}));
}

// The notes of the tokenizer that `config`, `generation` and `model` make of small_json.
std::vector<std::string> notes_with(std::string_view config, std::string_view generation,
                                    std::string_view model) {
  const auto parsed = [](std::string_view text) { return json::parse(text).as_object(); };
  const json::object files[] = {parsed(config), parsed(generation), parsed(model)};
  const auto made = make_tokenizer(small_json(), {&files[0], &files[1], &files[2]});
  EXPECT_TRUE(made.ok()) << made.status().message();
  if (!made.ok()) return {};
  EXPECT_TRUE(made->is_end(9));  // <|im_end|>, whatever else is wrong
  return {made->notes().begin(), made->notes().end()};
}

// A special token that a file names wrongly is left out; the model can still be used.
TEST(TokenizerJson, WrongSpecialTokensAreLeftOutWithANote) {
  const auto only = [](const std::vector<std::string>& notes, const std::string& part) {
    return notes.size() == 1 ? has(notes[0], part) : testing::AssertionFailure() << notes.size() << " notes";
  };
  EXPECT_TRUE(notes_with(R"({"bos_token": null, "eos_token": null})", R"({"eos_token_id": null})",
                         R"({"eos_token_id": [6, 7]})")
                  .empty());
  EXPECT_TRUE(only(notes_with(R"({"eos_token": "</nothing>"})", "{}", "{}"), "</nothing>"));
  EXPECT_TRUE(only(notes_with(R"({"bos_token": {"content": "<bos>"}})", "{}", "{}"), "\"bos_token\""));
  EXPECT_TRUE(only(notes_with(R"({"eos_token": 7})", "{}", "{}"), "\"eos_token\""));
  EXPECT_TRUE(only(notes_with("{}", R"({"eos_token_id": -5})", "{}"), "generation_config.json has -5"));
  EXPECT_TRUE(only(notes_with("{}", R"({"eos_token_id": [6, null]})", "{}"), "has null"));
  EXPECT_TRUE(only(notes_with("{}", R"({"eos_token_id": [6, -1]})", "{}"), "has -1"));
  EXPECT_TRUE(only(notes_with("{}", R"({"eos_token_id": [6, 11]})", "{}"), "has 11"));
  EXPECT_TRUE(only(notes_with("{}", R"({"eos_token_id": "six"})", "{}"), "has \"six\""));
  EXPECT_TRUE(only(notes_with("{}", "{}", R"({"eos_token_id": [1.5]})"), "config.json has 1.5"));
  EXPECT_TRUE(only(notes_with(R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": "yes"})", "{}", "{}"),
                   "neither true nor false: it is ignored"));
  EXPECT_TRUE(only(notes_with(R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": true})", "{}", "{}"),
                   "add_bos_token"));
  json::object root = small_json();
  root["model"].as_object()["unk_token"] = "[UNK]";
  const auto without_unknown = make_tokenizer(root);
  ASSERT_TRUE(without_unknown.ok()) << without_unknown.status().message();
  ASSERT_EQ(without_unknown->notes().size(), 1U);
  EXPECT_TRUE(has(without_unknown->notes()[0], "[UNK]"));
}

TEST(TokenizerJson, TheIdsOfAModelServeWhereItsTokenIsMissing) {
  const json::object config = json::parse(R"({"eos_token": "</nothing>"})").as_object();
  const json::object model = json::parse(R"({"eos_token_id": 6})").as_object();
  const auto made = make_tokenizer(small_json(), {.tokenizer_config = &config, .model_config = &model});
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(made->eos(), 6);
}

TEST(TokenizerJson, APreTokenizerMayBeChosenForByteLevelOnes) {
  json::object root = small_json();
  root["pre_tokenizer"] = json::parse(R"({"type": "ByteLevel", "add_prefix_space": false})");
  root["decoder"] = json::parse(R"({"type": "ByteLevel"})");
  root["model"].as_object()["vocab"] = json::parse(R"({"1": 0, "2": 1, "12": 2, "é": 3})");
  root["model"].as_object()["merges"] = json::parse(R"(["1 2"])");
  root["model"].as_object()["unk_token"] = nullptr;
  EXPECT_EQ(encode(make(root), "12"), (Ids{2}));
  const auto digits = make_tokenizer(root, {}, {.pre = "qwen2"});
  ASSERT_TRUE(digits.ok()) << digits.status().message();
  EXPECT_EQ(encode(*digits, "12"), (Ids{0, 1}));
  const auto unknown = make_tokenizer(root, {}, {.pre = "no-such"});
  EXPECT_EQ(unknown.status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(has(unknown.status().message(), "deepseek-v3"));
  const auto other = make_tokenizer(small_json(), {}, {.pre = "qwen2"});
  EXPECT_EQ(other.status().code(), StatusCode::kInvalidArgument);
}

// Where a tokenizer.json says how text is split, no name is needed: classes inside classes, \b and && included.
TEST(TokenizerJson, APatternOfItsOwn) {
  json::object root = small_json();
  root["pre_tokenizer"] =
      json::parse(R"({"type": "Split", "pattern": {"Regex": "\\b[a-z&&[^b]]|."}, "behavior": "Isolated"})");
  EXPECT_EQ(encode(make(root), "ab"), (Ids{1, 2}));
  root["pre_tokenizer"] = json::parse(R"({"type": "Punctuation", "behavior": "Isolated"})");
  root["model"].as_object()["vocab"] = json::parse(R"({"a": 0, "$": 1, "a$": 2, "<unk>": 3})");
  root["model"].as_object()["merges"] = json::parse(R"(["a $"])");
  EXPECT_EQ(encode(make(root), "a$"), (Ids{0, 1}));
}

TEST(TokenizerJson, NormalizersInOrder) {
  json::object root = small_json();
  root["normalizer"] = json::parse(R"({"type": "Sequence", "normalizers": [
    {"type": "Lowercase"}, {"type": "Strip", "strip_left": true, "strip_right": true},
    {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
    {"type": "Replace", "pattern": {"String": "c"}, "content": "ab"}, {"type": "Prepend", "prepend": "x"}]})");
  EXPECT_EQ(encode(make(root), "  A \n B e\xCC\x81 CC "), (Ids{6, 1, 3, 2, 3, 7, 3, 5}));
}

TEST(TokenizerJson, UnigramWithBytes) {
  json::object root = small_json();
  root["added_tokens"] = json::array();
  json::array vocabulary{json::array{"<unk>", 0}, json::array{"a", -1}, json::array{"b", -1},
                         json::array{"ab", -3}, json::array{"▁", -2}};
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte) {
    const std::string text = {'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'};
    vocabulary.push_back(json::array{text, 0});
  }
  root["model"] =
      json::object{{"type", "Unigram"}, {"unk_id", 0}, {"byte_fallback", true}, {"vocab", vocabulary}};
  root["pre_tokenizer"] =
      json::parse(R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"})");
  root["decoder"] =
      json::parse(R"({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace"}]})");
  const Tokenizer t = make(root);
  EXPECT_EQ(encode(t, "ab é"), (Ids{4, 1, 2, 4, 5 + 0xC3, 5 + 0xA9}));
  EXPECT_EQ(t.decode(encode(t, "ab é")), "ab é");
}

TEST(TokenizerJson, UnsupportedStepsAreNamed) {
  constexpr StatusCode kNo = StatusCode::kUnsupported;
  EXPECT_TRUE(has(error_with("normalizer", R"({"type": "StripAccents"})", kNo), "StripAccents"));
  EXPECT_TRUE(has(error_with("normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "AAAA"})", kNo),
                  "Precompiled"));
  EXPECT_TRUE(
      has(error_with("pre_tokenizer", R"({"type": "Whitespace"})", kNo), "it supports Sequence, ByteLevel"));
  EXPECT_TRUE(has(error_with("decoder", R"({"type": "WordPiece"})", kNo), "WordPiece"));
  EXPECT_TRUE(has(error_with("post_processor", R"({"type": "BertProcessing"})", kNo), "BertProcessing"));
  EXPECT_TRUE(has(error_with("model.type", R"("WordPiece")", kNo), "WordPiece"));
  EXPECT_TRUE(
      has(error_with("model.continuing_subword_prefix", R"("##")", kNo), "continuing_subword_prefix"));
  EXPECT_TRUE(has(error_with("model.dropout", "0.1", kNo), "dropout"));
}

TEST(TokenizerJson, DamageIsNamed) {
  EXPECT_TRUE(has(error_with("model", "3"), "\"model\""));
  EXPECT_TRUE(has(error_with("model.vocab", "{}"), "empty"));
  EXPECT_TRUE(has(error_with("model.vocab", R"({"a": -1})"), "id -1"));
  EXPECT_TRUE(has(error_with("model.vocab", R"({"a": 2000000000})"), "2000000000"));
  EXPECT_TRUE(has(error_with("model.vocab", R"({"a": 1, "b": 1})"), "two tokens"));
  EXPECT_TRUE(has(error_with("model.vocab", R"({"a": 1.5})"), "whole number"));
  EXPECT_TRUE(has(error_with("model.merges", R"(["a x"])"), "\"ax\", which is not a token"));
  EXPECT_TRUE(has(error_with("model.merges", R"(["a"])"), "merge 0"));
  EXPECT_TRUE(has(error_with("model.merges", R"([["a", "b", "c"]])"), "merge 0"));
  EXPECT_TRUE(has(error_with("model.merges", R"([["", "a"]])"), "merge 0"));
  EXPECT_TRUE(has(error_with("model.merges", "[]"), "\"merges\""));
  EXPECT_TRUE(has(error_with("model.merges", "null"), "\"merges\""));
  EXPECT_TRUE(has(error_with("added_tokens", R"([{"id": -4, "content": "y"}])"), "\"id\""));
  EXPECT_TRUE(has(error_with("added_tokens", R"([{"id": 3, "content": "y"}])"), "two tokens"));
  EXPECT_TRUE(has(
      error_with("pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"})"),
      "cannot be read"));
  EXPECT_TRUE(has(
      error_with("pre_tokenizer", R"({"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated"})"),
      "pattern"));
  EXPECT_TRUE(
      has(error_with("pre_tokenizer", R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Odd"})"),
          "behavior"));
  std::string deep = "null";
  for (int i = 0; i < 12; ++i) deep = R"({"type": "Sequence", "normalizers": [)" + deep + "]}";
  EXPECT_TRUE(has(error_with("normalizer", deep), "too deep"));
}

TEST(TokenizerJson, ATemplateUsesItsOwnSpecialTokens) {
  EXPECT_TRUE(has(error_with("post_processor", R"({"type": "TemplateProcessing",
                    "single": [{"SpecialToken": {"id": "<q>"}}, {"Sequence": {"id": "A"}}],
                    "special_tokens": {}})"),
                  "uses \"<q>\", which is not among its special_tokens"));
}

TEST(TokenizerJson, MergesThatWereCutOffAreRefused) {
  json::object root = small_json();
  json::object& model = root["model"].as_object();
  json::object& vocabulary = model["vocab"].as_object();
  vocabulary["ax"] = 11;
  vocabulary["éx"] = 12;
  const auto made = make_tokenizer(root);
  EXPECT_TRUE(has(made.status().message(), "merges make only 2 of the 4 tokens")) << made.status().message();
  model["ignore_merges"] = true;
  make(root);
  model["ignore_merges"] = false;
  json::array& added = root["added_tokens"].as_array();
  added.push_back({{"id", 11}, {"content", "ax"}});
  added.push_back({{"id", 12}, {"content", "éx"}});
  make(root);
}

}  // namespace
}  // namespace cairn
