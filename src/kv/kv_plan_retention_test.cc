// The retention of KV plans: every form, every refusal, and that texts and JSON mean the same.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kv/geometry.h"
#include "kv/kv_plan_testing.h"

namespace cairn {
namespace {

constexpr Visibility kAll{};

std::vector<KvLayerPlan> layers_of(std::string_view text, int64_t layer_count) {
  const auto plan = KvPlan::parse(text);
  EXPECT_TRUE(plan.ok()) << text << ": " << plan.status().message();
  const auto layers = plan->resolve(layer_count, 64);
  EXPECT_TRUE(layers.ok()) << layers.status().message();
  return *layers;
}

std::vector<Visibility> retentions_of(std::string_view text, int64_t layer_count) {
  std::vector<Visibility> retentions;
  for (const KvLayerPlan& layer : layers_of(text, layer_count)) retentions.push_back(layer.retention);
  return retentions;
}

TEST(KvPlanRetention, IsAllWhereNothingIsSaid) {
  for (const char* text : {"f16", "int8", "k=int8,v=int4", "all: fp8", "layers 0-1: f32; rest: int4"}) {
    EXPECT_EQ(retentions_of(text, 3), (std::vector<Visibility>{kAll, kAll, kAll})) << text;
  }
  EXPECT_EQ((*KvPlan().resolve(1, 64))[0].retention, kAll);
}

TEST(KvPlanRetention, ReadsAWindowAndSinksInEitherOrderAloneAndBehindEveryFormOfCodecs) {
  const std::vector<std::pair<std::string, std::string>> codecs{
      {"", "f16"},     {"f16,", "f16"},   {"int8:token,", "int8:token"}, {"all: f32,", "f32"},
      {"all:", "f16"}, {"rest: ", "f16"}, {"layer 0: ", "f16"},          {"k=int8:token,v=int4:token,", ""}};
  const std::vector<std::pair<std::string, Visibility>> retentions{
      {"window=1", {.window = 1}},
      {"window = 1024", {.window = 1024}},
      {"window=0001024", {.window = 1024}},
      {"sinks=4,window=1024", {.window = 1024, .sinks = 4}},
      {"window=1024,sinks=4", {.window = 1024, .sinks = 4}},
      {"sinks=256,window=1", {.window = 1, .sinks = 256}},
      {"sinks=0,window=7", {.window = 7}},
      {" sinks\t= 1 ,\nwindow =1073741792 ", {.window = 1073741792, .sinks = 1}}};
  for (const auto& [before, codec] : codecs) {
    for (const auto& [words, retention] : retentions) {
      const KvLayerPlan layer = layers_of(before + words, 1)[0];
      EXPECT_EQ(layer.retention, retention) << before << words;
      EXPECT_EQ(kv_codec_name(layer.keys), codec.empty() ? "int8:token" : codec);
      EXPECT_EQ(kv_codec_name(layer.values), codec.empty() ? "int4:token" : codec);
    }
  }
}

TEST(KvPlanRetention, ALaterRuleOverridesAnEarlierOneWholly) {
  const Visibility recent{.window = 64};
  const Visibility stream{.window = 1024, .sinks = 4};
  EXPECT_EQ(retentions_of("layers 0-1: f16,sinks=4,window=1024; rest: int8", 4),
            (std::vector<Visibility>{stream, stream, kAll, kAll}));
  EXPECT_EQ(retentions_of("sinks=4,window=1024; layer 1: int8; layer -1: window=64", 3),
            (std::vector<Visibility>{stream, kAll, recent}));
  // Nor does a codec stay where only a window is given.
  EXPECT_EQ(layers_of("int8:token; layer 0: window=64", 1)[0], (KvLayerPlan{KvLayerCodecs{}, recent}));
}

TEST(KvPlanRetention, ItsTextIsTheShortestForm) {
  const std::vector<std::pair<std::string, std::string>> texts{
      {"f16,window=1024", "window=1024"},
      {"all:k=f16,v=f16,window=1024,sinks=4", "sinks=4,window=1024"},
      {"sinks=0,window=010", "window=10"},
      {"k=int8 , v=int4 , window = 5", "k=int8,v=int4,window=5"},
      {"k=int8,v=int8,window=5", "int8,window=5"},
      {"f16:hadamard,window=5", "f16:hadamard,window=5"},
      {"layers 0-11:f16,sinks=4,window=1024;rest:int8", "layers 0-11: sinks=4,window=1024; rest: int8"}};
  for (const auto& [text, shortest] : texts) {
    const auto plan = KvPlan::parse(text);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    EXPECT_EQ(plan->text(), shortest);
    EXPECT_EQ(*KvPlan::parse(shortest), *plan) << text;
  }
  EXPECT_NE(*KvPlan::parse("window=5"), KvPlan());
  EXPECT_NE(*KvPlan::parse("window=5"), *KvPlan::parse("window=6"));
  EXPECT_NE(*KvPlan::parse("window=5"), *KvPlan::parse("sinks=1,window=5"));
}

TEST(KvPlanRetention, RefusesSinksWithoutAWindow) {
  const std::string window =
      ", where \",\" and \"window=\" are expected: sinks need a window beside them, as in "
      "\"sinks=4,window=1024\"";
  EXPECT_EQ(parse_error("f16,sinks=4"), "KV plan, column 12: the end" + window);
  EXPECT_EQ(parse_error("sinks=4; window=5"), "KV plan, column 8: \";\"" + window);
  EXPECT_EQ(parse_error("sinks=0"), "KV plan, column 8: the end" + window);
  EXPECT_EQ(parse_error("sinks=4 window=5"), "KV plan, column 9: \"window\"" + window);
  EXPECT_EQ(parse_error("sinks=4.5,window=5"), "KV plan, column 8: \".\"" + window);
}

TEST(KvPlanRetention, SaysWhichNumbersArePossible) {
  const std::string window = ", where a number of positions from 1 to 1073741792 is expected";
  for (const std::string number :
       {"0", "-1", "2147483617", "18446744073709551617", "4k", "0x10", "1e3", "x"}) {
    EXPECT_EQ(parse_error("f16,window=" + number),
              fmt::format("KV plan, column 12: \"{}\"{}", number, window));
  }
  EXPECT_EQ(parse_error("window="), "KV plan, column 8: the end" + window);
  EXPECT_EQ(parse_error("window= ,sinks=4"), "KV plan, column 9: \",\"" + window);
  EXPECT_EQ(parse_error("window=+4"), "KV plan, column 8: \"+\"" + window);
  EXPECT_EQ(parse_error("window==4"), "KV plan, column 8: \"=\"" + window);
  EXPECT_EQ(parse_error("window=é"), "KV plan, column 8: \"é\"" + window);
  EXPECT_EQ(parse_error(std::string("window=\0", 8)).find("KV plan, column 8: \""), 0U);
  const std::string sinks = ", where a number of positions from 0 to 256 is expected";
  for (const std::string number : {"-1", "-0", "257", "99999999999999999999", "all"}) {
    EXPECT_EQ(parse_error("sinks=" + number + ",window=9"),
              fmt::format("KV plan, column 7: \"{}\"{}", number, sinks));
  }
  EXPECT_EQ(parse_error("window=9,sinks="), "KV plan, column 16: the end" + sinks);
  EXPECT_EQ(parse_error("window"),
            "KV plan, column 7: the end, where \"=\" and a number of positions from 1 to 1073741792 are "
            "expected");
  EXPECT_EQ(parse_error("sinks: 4"),
            "KV plan, column 6: \":\", where \"=\" and a number of positions from 0 to 256 are expected");
}

TEST(KvPlanRetention, SaysWhichWordsArePossible) {
  const std::string first = " is expected; codecs stand first, as in \"k=int8,v=int4,sinks=4,window=1024\"";
  EXPECT_EQ(parse_error("window=4,window=5"), "KV plan, column 10: \"window\" stands here twice");
  EXPECT_EQ(parse_error("sinks=4,sinks=4,window=5"), "KV plan, column 9: \"sinks\" stands here twice");
  EXPECT_EQ(parse_error("window=4,int8"), "KV plan, column 10: \"int8\", where \"sinks=\"" + first);
  EXPECT_EQ(parse_error("sinks=4,k=int8"), "KV plan, column 9: \"k\", where \"window=\"" + first);
  EXPECT_EQ(parse_error("int8,int4"), "KV plan, column 6: \"int4\", where \"sinks=\" or \"window=\"" + first);
  EXPECT_EQ(parse_error("f16,"), "KV plan, column 5: the end, where \"sinks=\" or \"window=\"" + first);
  EXPECT_EQ(parse_error("window=1,024"), "KV plan, column 10: \"024\", where \"sinks=\"" + first);
  EXPECT_EQ(parse_error("sink=4,window=5"),
            "KV plan, column 1: \"sink\", where \"k=\", \"sinks=\" or \"window=\" is expected");
  EXPECT_EQ(parse_error("k=window=4").find("KV plan, column 3: \"window\" is not a format; "), 0U);
  EXPECT_EQ(parse_error("f16:window=4"),
            "KV plan, column 5: \"window\" is not a word of a codec; there is only hadamard");
}

TEST(KvPlanRetention, SaysWhatMayStandBehindIt) {
  const std::string end = "\";\" and another rule, or the end can stand";
  EXPECT_EQ(parse_error("window=4 f16"),
            "KV plan, column 10: \"f16\", where only \",\" and \"sinks=\", " + end);
  EXPECT_EQ(parse_error("window=1.5"), "KV plan, column 9: \".\", where only \",\" and \"sinks=\", " + end);
  EXPECT_EQ(parse_error("sinks=4,window=5:token"), "KV plan, column 17: \":\", where only " + end);
  EXPECT_EQ(parse_error("sinks=4,window=5,window=6"), "KV plan, column 17: \",\", where only " + end);
  EXPECT_EQ(parse_error("sinks=4,window=5; f16 x")
                .find("KV plan, column 23: \"x\", where only \":\" and a word, \",\" and \"sinks=\" or "),
            0U);
}

TEST(KvPlanRetention, ReadsJson) {
  const std::vector<std::pair<std::string, std::string>> plans{
      {R"([{"layers": "0-1", "codec": "f16", "sinks": 4, "window": 1024}, {"layers": "rest", "codec": "int8"}])",
       "layers 0-1: sinks=4,window=1024; rest: int8"},
      {R"([{"window": 64}])", "window=64"},
      {R"([{"sinks": 0, "window": 64}])", "window=64"},
      {R"([{"window": 1073741792, "sinks": 256}])", "sinks=256,window=1073741792"},
      {R"([{"k": "int8", "v": "int4", "window": 1}])", "k=int8,v=int4,window=1"},
      {R"({"plan": [{"layers": 0, "window": 5}, {"layers": "rest", "codec": "f32"}]})",
       "layer 0: window=5; rest: f32"},
      {R"({"plan": "int4,sinks=1,window=5"})", "int4,sinks=1,window=5"},
      {R"("window=5")", "window=5"}};
  for (const auto& [json, text] : plans) {
    const auto plan = KvPlan::parse_json(json);
    ASSERT_TRUE(plan.ok()) << json << ": " << plan.status().message();
    EXPECT_EQ(plan->text(), text);
    EXPECT_EQ(*plan, *KvPlan::parse(text)) << json;
  }
}

TEST(KvPlanRetention, SaysWhereJsonIsWrong) {
  for (const char* number : {"0", "-1", "2147483617", "18446744073709551615", "1e30", "64.0", "\"64\"",
                             "null", "true", "[64]", "{}"}) {
    EXPECT_EQ(json_error(fmt::format(R"([{{"codec": "f16", "window": {}}}])", number)),
              "KV plan, rule 1, \"window\": a number of positions from 1 to 1073741792 is expected");
  }
  for (const char* number : {"-1", "257", "4.0", "\"4\"", "null", "false"}) {
    EXPECT_EQ(json_error(fmt::format(R"([{{"window": 9}}, {{"window": 9, "sinks": {}}}])", number)),
              "KV plan, rule 2, \"sinks\": a number of positions from 0 to 256 is expected");
  }
  for (const char* rule : {R"({"sinks": 4})", R"({"sinks": 0})", R"({"codec": "f16", "sinks": 4})"}) {
    EXPECT_EQ(json_error(fmt::format("[{}]", rule)),
              "KV plan, rule 1: sinks need a window beside them, as in {\"sinks\": 4, \"window\": 1024}");
  }
  EXPECT_EQ(json_error(R"([{"layers": "all"}])"),
            "KV plan, rule 1: either \"codec\", or \"k\" and \"v\" are expected, or \"window\" alone, which "
            "keeps f16");
  EXPECT_EQ(json_error(R"([{"k": "f16", "window": 4}])"),
            "KV plan, rule 1: either \"codec\", or \"k\" and \"v\" are expected, or \"window\" alone, which "
            "keeps f16");
  EXPECT_EQ(json_error(R"([{"codec": "f16,window=4"}])"),
            "KV plan, rule 1, \"codec\", column 4: \",\", where only the end can stand");
}

// A plan drawn at random, once as text and once as JSON.
class DrawnPlan {
 public:
  explicit DrawnPlan(uint64_t seed) : seed_(seed) {
    for (uint64_t rules = 1 + below(4); rules > 0; --rules) {
      if (!text_.empty()) text_ += pick({";", " ; "});
      rule_.clear();
      add_layers();
      add_what();
      json_ += (json_.empty() ? "[{" : ", {") + rule_ + "}";
    }
    json_ += "]";
  }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& json() const { return json_; }

 private:
  uint64_t below(uint64_t count) { return random_bits(seed_, 0, draws_++) % count; }
  std::string pick(const std::vector<std::string>& words) { return words[below(words.size())]; }
  void add_member(const std::string& name, const std::string& value) {
    rule_ += fmt::format("{}\"{}\": {}", rule_.empty() ? "" : ", ", name, value);
  }

  void add_layers() {
    const std::string layers = pick({"", "all", "rest", "0", "0-3", "-2--1,1"});
    if (layers.empty()) return;
    const bool is_word = layers == "all" || layers == "rest";
    text_ += (is_word ? "" : "layers ") + layers + pick({":", ": ", " : "});
    add_member("layers", '"' + layers + '"');
  }

  void add_what() {
    const std::vector<std::string> codecs{"f16",        "int8",          "fp8",
                                          "int4:token", "int3:hadamard", "bf16:hadamard"};
    const uint64_t form = below(4);  // a codec, sides, or a retention alone
    const bool is_retention_alone = form == 3;
    if (form < 2) {
      const std::string codec = pick(codecs);
      text_ += codec;
      add_member("codec", '"' + codec + '"');
    } else if (form == 2) {
      const std::string keys = pick(codecs);
      const std::string values = pick(codecs);
      text_ += "k=" + keys + ",v=" + values;
      add_member("k", '"' + keys + '"');
      add_member("v", '"' + values + '"');
    }
    if (is_retention_alone || below(2) == 0) add_retention(is_retention_alone ? "" : pick({",", " , "}));
  }

  void add_retention(const std::string& before) {
    const std::string window = pick({"1", "31", "32", "1024", "1073741792"});
    const std::string sinks = pick({"", "0", "1", "4", "256"});
    add_member("window", window);
    if (sinks.empty()) {
      text_ += before + "window=" + window;
      return;
    }
    add_member("sinks", sinks);
    text_ +=
        before + pick({"sinks=" + sinks + ",window=" + window, "window=" + window + " , sinks = " + sinks});
  }

  uint64_t seed_;
  uint64_t draws_ = 0;
  std::string text_;
  std::string json_;
  std::string rule_;  // its JSON members
};

TEST(KvPlanRetention, DrawnPlansReadBackFromTheirTextAndAreTheSameAsJson) {
  int windows = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const DrawnPlan drawn(seed);
    const auto plan = KvPlan::parse(drawn.text());
    ASSERT_TRUE(plan.ok()) << drawn.text() << ": " << plan.status().message();
    const std::string text = plan->text();
    EXPECT_EQ(*KvPlan::parse(text), *plan) << drawn.text();
    EXPECT_EQ(KvPlan::parse(text)->text(), text);
    const auto from_json = KvPlan::parse_json(drawn.json());
    ASSERT_TRUE(from_json.ok()) << drawn.json() << ": " << from_json.status().message();
    EXPECT_EQ(*from_json, *plan) << drawn.json();
    windows += text.find("window=") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(windows, 1000);
}

TEST(KvPlanRetention, APlanIsChangedInOneThing) {
  const auto plan = [](const char* text) { return KvPlan::parse(text).value(); };
  const KvPlan mixed = plan("layers 0-3: f32,sinks=4,window=64; layer 9: int8,window=32; rest: k=int4,v=f16");
  EXPECT_EQ(mixed.with_codecs(plan("int8")),
            plan("layers 0-3: int8,sinks=4,window=64; layer 9: int8,window=32; rest: int8"));
  EXPECT_EQ(mixed.with_retention({.window = 9}),
            plan("layers 0-3: f32,window=9; layer 9: int8,window=9; rest: k=int4,v=f16,window=9"));
  EXPECT_EQ(mixed.without_sinks(),
            plan("layers 0-3: f32,window=64; layer 9: int8,window=32; rest: k=int4,v=f16"));
  // Rules that say the same of all layers are one.
  EXPECT_EQ(mixed.with_retention({}).with_codecs(plan("bf16")).text(), "bf16");
  EXPECT_EQ(plan("int8; layer 2: int8,sinks=1,window=7").with_retention({.window = 5}).text(),
            "int8,window=5");
  EXPECT_EQ(plan("layers 0-3: f32; layers 4-7: int8").with_codecs(KvPlan()).text(),
            "layers 0-3: f16; layers 4-7: f16");
  EXPECT_EQ(KvPlan().with_retention({.window = 8, .sinks = 2}).text(), "sinks=2,window=8");
}

}  // namespace
}  // namespace cairn
