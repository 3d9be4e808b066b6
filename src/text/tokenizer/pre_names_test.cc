// The words that each named way of splitting makes of a text. The expected words were derived by hand from the
// pattern; the names are those of tokenizer.ggml.pre.
#include "text/tokenizer/pre_names.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace cairn {
namespace {

using Texts = std::vector<std::string>;

Texts words_of(std::string_view name, std::string_view text) {
  auto pre = make_pre_tokenization(name);
  EXPECT_TRUE(pre.ok()) << pre.status().message();
  if (!pre.ok()) return {};
  Words words;
  words.words.push_back({text, true});
  EXPECT_TRUE(PreTokenizer(std::move(pre->split)).apply(words).ok());
  Texts out;
  for (const Word& word : words.words) out.emplace_back(word.text);
  return out;
}

struct Vector {
  const char* names;  // with commas between: all of them split alike
  const char* text;
  Texts words;
};

const std::vector<Vector> kVectors = {
    {"default", "a+b 12345", {"a", "+", "b", " ", "123", "45"}},
    {"gpt-2,phi-2,mpt,olmo,jais,trillion,granite-docling,exaone4,gigachat,a.x-4.0,mellum,modern-bert,"
     "roberta-bpe,jina-es,jina-de,jina-v1-en,jina-v2-es,jina-v2-de,jina-v2-code",
     "I'll go  to 2024's — ok\n\n  x",
     {"I", "'ll", " go", " ", " to", " 2024", "'s", " —", " ok", "\n\n ", " x"}},
    {"smollm,starcoder,refact,command-r,codeshell,exaone,minerva-7b,mellum2",
     "a12 b3's",
     {"a", "1", "2", " b", "3", "'s"}},
    {"falcon", "x=`a` 1234, don't", {"x", "=`", "a", "`", " ", "123", "4", ",", " don", "'", "t"}},
    {"llama-bpe,llama3,llama-v3,falcon3,falcon-h1,pixtral,midm-2.0,lfm2,jina-v5-nano,dbrx,smaug-bpe,glm4,"
     "chatglm-bpe",
     "I'LL pay 12345!\n\n x",
     {"I", "'LL", " pay", " ", "123", "45", "!\n\n", " x"}},
    {"jais-2", "       x 1234", {"    ", "  ", " x", " ", "123", "4"}},
    {"minicpm5", "it's a12345", {"it", "'s", " a", "123", "45"}},
    {"qwen2,deepseek-r1-qwen,megrez,kormo,f2llmv2,stablelm2,hunyuan,solar-open,grok-2",
     "I'LL pay 123!\n\n cafe\xCC\x81s",
     {"I", "'LL", " pay", " ", "1", "2", "3", "!\n\n", " cafe", "\xCC\x81s"}},
    {"qwen35", "I'LL 12 cafe\xCC\x81s", {"I", "'LL", " ", "1", "2", " cafe\xCC\x81s"}},
    {"ufakzeka", "Ali'de 5", {"Ali", "'de", " ", "5"}},
    {"laguna", "a\n\nb 12", {"a", "\n\n", "b", " ", "1", "2"}},
    {"bailingmoe,bailingmoe2,llada-moe", "I'VE 12;\n\n", {"I", "'VE", " ", "1", "2", ";\n\n"}},
    {"seed-coder", "Don't stop12!?\n", {"Don", "'t", " stop", "1", "2", "!?", "\n"}},
    {"exaone-moe", "go to the top\n\nx", {"go to the top", "\n\n", "x"}},
    {"tekken", "HelloWorld don't 12\n/x", {"Hello", "World", " don", "'t", " ", "1", "2", "\n", "/x"}},
    {"gpt-4o,llama4,kanana2,talkie,minimax-m2,granite-embed-multi-97m",
     "HelloWORLD don't 1234 a//\n",
     {"Hello", "WORLD", " don't", " ", "123", "4", " a", "//\n"}},
    {"tiny_aya,cohere2moe", "a1234567 12b", {"a", "1", "234", "567", " ", "12", "b"}},
    {"kimi-k2", "HelloWorld's 你好abc 1234", {"Hello", "World's", " ", "你好", "abc", " ", "123", "4"}},
    {"deepseek-llm",
     "Hello world 123, 你好 Привет\n x  ",
     {"Hello", " world", " ", "123", ",", " ", "你好", " Привет", "\n", " x", "  "}},
    {"deepseek-coder", "x1 = 'ab' 你好\n", {"x", "1", " =", " '", "ab", "'", " ", "你好", "\n"}},
    {"deepseek-v3,hunyuan-dense,joyai-llm,hy_v4",
     "if x==1234: a.print('ok')\n 你好ab",
     {"if", " x", "==", "123", "4", ":", " a", ".print", "('", "ok", "')\n", " ", "你好", "ab"}},
    {"spark2_5", "a12\r\n b", {"a", "1", "2", "\r", "\n", " b"}},
    {"afmoe", "n1234567 日本x", {"n", "1", "234", "567", " ", "日本", "x"}},
    {"youtu", "안녕 abc12", {"안녕", " abc", "1", "2"}},
    {"bloom,poro-chat,gpt3-finnish", " hi, (you)", {" hi", ", (", "you", ")"}},
    {"viking", "ab12", {"ab", "1", "2"}},
    {"chameleon", "a\tb  c1!", {"a", "\t", "b", "  ", "c", "1", "!"}},
    {"superbpe", "ab 1234567 x½", {"ab ", "1", "234", "567", " x", "½"}},
};

Texts names_in(std::string_view list, char separator) {
  Texts names;
  while (!list.empty()) {
    const size_t end = std::min(list.find(separator), list.size());
    std::string_view name = list.substr(0, end);
    while (name.starts_with(' ')) name.remove_prefix(1);
    names.emplace_back(name);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}

TEST(PreNames, EachSplitsAsItsModelDoes) {
  for (const Vector& vector : kVectors) {
    for (const std::string& name : names_in(vector.names, ',')) {
      EXPECT_EQ(words_of(name, vector.text), vector.words) << name;
    }
  }
}

TEST(PreNames, EachHasAVector) {
  Texts tested;
  for (const Vector& vector : kVectors) {
    for (std::string& name : names_in(vector.names, ',')) tested.push_back(std::move(name));
  }
  Texts known = names_in(pre_tokenization_names(), ',');
  std::ranges::sort(tested);
  std::ranges::sort(known);
  EXPECT_EQ(tested, known);
}

TEST(PreNames, TextsOfEverySortAreCutWithoutLoss) {
  const std::string text =
      "  Ünïcode\t12½ 你好 かな 안녕 ไทย cafe\xCC\x81 DON'T!\r\n\n  (a_b)[c] 🦙🏽 ﷽ \xC2\xA0x ";
  for (const std::string& name : names_in(pre_tokenization_names(), ',')) {
    std::string whole;
    for (const std::string& word : words_of(name, text)) whole += word;
    EXPECT_EQ(whole, text) << name;
  }
}

// Its pattern lists the letters of the alphabets with two cases; others stand alone.
TEST(PreNames, DeepSeeksFirstTokenizerListsItsLetters) {
  EXPECT_EQ(words_of("deepseek-llm", "אЯΩ"), (Texts{"א", "ЯΩ"}));
  EXPECT_EQ(words_of("deepseek-coder", "אЯΩ"), (Texts{"אЯΩ"}));
}

}  // namespace
}  // namespace cairn
