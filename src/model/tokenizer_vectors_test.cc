// The tokenizers of real and tiny models against ids that other implementations gave: ../shared.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "files/gguf.h"
#include "files/json.h"
#include "text/tokenizer.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

fs::path shared() { return fs::path(CAIRN_SOURCE_DIR) / ".." / "shared"; }

#define SKIP_WITHOUT_SHARED() \
  if (!fs::exists(shared())) GTEST_SKIP() << "the folder ../shared with the reference values is not there"

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

boost::json::object read_json(const fs::path& path) {
  auto parsed = load_json_object(path.string(), {});
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return parsed.ok() ? *parsed : boost::json::object();
}

std::vector<TokenId> ids_of(const boost::json::value& list) {
  std::vector<TokenId> ids;
  for (const auto& id : list.as_array()) ids.push_back(static_cast<TokenId>(id.as_int64()));
  return ids;
}

Tokenizer from_gguf(const fs::path& path) {
  auto file = GgufFile::open(path.string());
  EXPECT_TRUE(file.ok()) << file.status().message();
  auto tokenizer = load_tokenizer(*file);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return *tokenizer;
}

Tokenizer from_json_folder(const fs::path& folder) {
  const boost::json::object tokenizer = read_json(folder / "tokenizer.json");
  const bool has_config = fs::exists(folder / "tokenizer_config.json");
  const boost::json::object config =
      has_config ? read_json(folder / "tokenizer_config.json") : boost::json::object();
  auto made = make_tokenizer(tokenizer, {.tokenizer_config = has_config ? &config : nullptr});
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options) {
  auto ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : std::vector<TokenId>();
}

constexpr EncodeOptions kPlain{BosEos::kNone, SpecialText::kLiteral};
constexpr EncodeOptions kFull{BosEos::kAsModelSays, SpecialText::kParsed};

struct Vector {
  std::string text;
  std::vector<TokenId> ids;
};

// `.inp` holds texts between lines "__ggml_vocab_test__", `.out` a line of ids for each.
std::vector<Vector> read_vectors(const fs::path& base) {
  std::vector<Vector> vectors;
  const std::string all = read_file(base.string() + ".inp");
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::istringstream out(read_file(base.string() + ".out"));
  size_t at = 0;
  for (std::string line; std::getline(out, line);) {
    const size_t end = all.find(separator, at);
    Vector vector{all.substr(at, end == std::string::npos ? end : end - at), {}};
    std::istringstream numbers(line);
    for (TokenId id = 0; numbers >> id;) vector.ids.push_back(id);
    vectors.push_back(std::move(vector));
    if (end == std::string::npos) break;
    at = end + separator.size();
  }
  return vectors;
}

void check_vectors(const Tokenizer& tokenizer, const std::vector<Vector>& vectors) {
  ASSERT_GT(vectors.size(), 40U);
  for (const Vector& vector : vectors) {
    EXPECT_EQ(encode(tokenizer, vector.text, kPlain), vector.ids) << "text: " << vector.text;
    EXPECT_EQ(tokenizer.decode(vector.ids), vector.text);
  }
}

TEST(TokenizerVectors, Gpt2FromGguf) {
  SKIP_WITHOUT_SHARED();
  const fs::path base = shared() / "tokenizers/gpt-2/ggml-vocab-gpt-2.gguf";
  check_vectors(from_gguf(base), read_vectors(base));
}

TEST(TokenizerVectors, Gpt2FromJson) {
  SKIP_WITHOUT_SHARED();
  const fs::path folder = shared() / "tokenizers/gpt-2";
  check_vectors(from_json_folder(folder), read_vectors(folder / "ggml-vocab-gpt-2.gguf"));
}

TEST(TokenizerVectors, Phi3FromGguf) {
  SKIP_WITHOUT_SHARED();
  const fs::path base = shared() / "tokenizers/phi-3/ggml-vocab-phi-3.gguf";
  const Tokenizer tokenizer = from_gguf(base);
  check_vectors(tokenizer, read_vectors(base));
  EXPECT_EQ(tokenizer.kind(), "sentencepiece-bpe");
  // <|user|>, <|end|>, <|assistant|>, each taking the line break after it.
  EXPECT_EQ(encode(tokenizer, "<|user|>\nHello<|end|>\n<|assistant|>\n", kFull),
            (std::vector<TokenId>{1, 32010, 15043, 32007, 32001}));
  EXPECT_TRUE(tokenizer.is_end(32007));
  EXPECT_TRUE(tokenizer.is_end(32000));
}

// Metaspace at the start only, merges, byte fallback; ids made with Hugging Face's tokenizers library.
TEST(TokenizerVectors, MistralFromJson) {
  SKIP_WITHOUT_SHARED();
  const Tokenizer tokenizer = from_json_folder(shared() / "tokenizers/mistral-7b-v0.3");
  EXPECT_EQ(tokenizer.kind(), "bpe");
  EXPECT_EQ(tokenizer.vocab_size(), 32768);
  const std::vector<Vector> vectors = {
      {"Hello world", {1, 23325, 2294}},
      {" Hello", {1, 23325}},
      {"[INST] Hi there [/INST]  ok</s>", {1, 3, 16127, 1504, 29473, 4, 29473, 4382, 2}},
      {"x\ty\n\n z", {1, 2086, 780, 29492, 781, 781, 1454}},
      {"Führer 🦙.cpp 日本",
       {1, 1169, 8504, 1031, 29473, 1011, 930, 937, 924, 29491, 5990, 29473, 29910, 29887}},
      {"3.14 = π? I'll 'VE",
       {1, 29473, 29538, 29491, 29508, 29549, 1095, 29473, 29798, 29572, 1083, 29510, 1352, 1232, 4496}},
      {"    spaces   ", {1, 3055, 11367, 3055}},
  };
  for (const Vector& vector : vectors)
    EXPECT_EQ(encode(tokenizer, vector.text, kFull), vector.ids) << vector.text;
  for (const std::string text : {"Hello world", "x\ty\n\n z", "Führer 🦙.cpp", "3.14 = π?"}) {
    EXPECT_EQ(tokenizer.decode(encode(tokenizer, text, kFull)), text);
  }
}

class FamilyTokenizer : public testing::TestWithParam<std::string> {};

TEST_P(FamilyTokenizer, GivesTheGoldenIds) {
  SKIP_WITHOUT_SHARED();
  const fs::path folder = shared() / "models/families" / GetParam();
  const boost::json::object golden = read_json(folder / "golden.json");
  for (const Tokenizer& tokenizer : {from_gguf(folder / "model.gguf"), from_json_folder(folder / "hf")}) {
    size_t count = 0;
    for (const auto& item : golden.at("tokenizer").at("cases").as_array()) {
      const std::string text(item.at("text").as_string());
      EXPECT_EQ(encode(tokenizer, text, kPlain), ids_of(item.at("ids"))) << tokenizer.kind() << ": " << text;
      EXPECT_EQ(encode(tokenizer, text, kFull), ids_of(item.at("ids_special")))
          << tokenizer.kind() << ": " << text;
      EXPECT_EQ(tokenizer.decode(ids_of(item.at("ids_special"))), text);
      ++count;
    }
    EXPECT_GE(count, 8U);
  }
}

INSTANTIATE_TEST_SUITE_P(All, FamilyTokenizer,
                         testing::Values("llama", "llama3-rope", "mistral", "qwen2", "qwen3", "gemma",
                                         "gemma2", "gemma3", "gpt2", "phi3"),
                         [](const auto& family) {
                           std::string name = family.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(TokenizerVectors, Stories260K) {
  SKIP_WITHOUT_SHARED();
  const fs::path folder = shared() / "models/stories260K";
  const Tokenizer tokenizer = from_gguf(folder / "stories260K.gguf");
  for (const char* name : {"p1", "p2", "p3"}) {
    const boost::json::object golden =
        read_json(folder / "golden" / ("stories260K." + std::string(name) + ".json"));
    const std::string prompt(golden.at("prompt").as_string());
    EXPECT_EQ(encode(tokenizer, prompt, {}), ids_of(golden.at("prompt_ids")));
    const std::vector<TokenId> reply = ids_of(golden.at("greedy_ids"));
    const std::string text = prompt + tokenizer.decode(reply, {.position = TextPosition::kContinuation});
    EXPECT_EQ(
        text,
        read_file(folder / "golden" / ("stories260K." + std::string(name) + ".txt")).substr(0, text.size()));
  }
}

}  // namespace
}  // namespace cairn
