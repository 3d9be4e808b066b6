#include "kv/kv_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kv/kv_plan_testing.h"

namespace cairn {
namespace {

std::string resolve_error(std::string_view text, int64_t layer_count, int64_t head_dim = 64) {
  const auto plan = KvPlan::parse(text);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  const auto codecs = plan->resolve(layer_count, head_dim);
  EXPECT_FALSE(codecs.ok()) << text;
  return codecs.status().message();
}

// The codecs of each layer as "keys/values".
std::vector<std::string> layers_of(std::string_view text, int64_t layer_count, int64_t head_dim = 64) {
  const auto plan = KvPlan::parse(text);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  const auto codecs = plan->resolve(layer_count, head_dim);
  EXPECT_TRUE(codecs.ok()) << codecs.status().message();
  std::vector<std::string> names;
  for (const KvLayerCodecs& layer : *codecs) {
    names.push_back(kv_codec_name(layer.keys) + "/" + kv_codec_name(layer.values));
  }
  return names;
}

constexpr const char* kFormats =
    "there are f32, f16, bf16, fp8 (= fp8_e4m3), fp8_e5m2, int8, int4, int3 and int2";

TEST(KvPlan, IsF16WhereNothingIsSaid) {
  EXPECT_EQ(KvPlan().text(), "f16");
  EXPECT_EQ(KvPlan(), *KvPlan::parse("f16"));
}

TEST(KvPlan, ReadsEveryFormat) {
  const std::vector<std::pair<std::string, std::string>> formats{
      {"f32", "f32/f32"},
      {"f16", "f16/f16"},
      {"bf16", "bf16/bf16"},
      {"fp8", "fp8/fp8"},
      {"fp8_e4m3", "fp8/fp8"},
      {"fp8_e5m2", "fp8_e5m2/fp8_e5m2"},
      {"int8", "int8:channel:hadamard/int8:channel:hadamard"},
      {"int4", "int4:channel:hadamard/int4:channel:hadamard"},
      {"int3", "int3:channel:hadamard/int3:channel:hadamard"},
      {"int2", "int2:channel:hadamard/int2:channel:hadamard"},
      {"int4:token", "int4:token/int4:token"},
      {"int8:channel", "int8:channel/int8:channel"},
      {"int4:hadamard", "int4:channel:hadamard/int4:channel:hadamard"},
      {"int4:hadamard:token", "int4:token:hadamard/int4:token:hadamard"},
      {"f16:hadamard", "f16:hadamard/f16:hadamard"},
      {"k=int8,v=int4", "int8:channel:hadamard/int4:channel:hadamard"},
      {"k=int4,v=f32", "int4:channel:hadamard/f32"},
      {"k=int4:token:hadamard,v=int4:channel", "int4:token:hadamard/int4:channel"}};
  for (const auto& [text, codecs] : formats) EXPECT_EQ(layers_of(text, 1)[0], codecs) << text;
}

// Heads that cannot be rotated get the next best of the format's bytes.
TEST(KvPlan, AFormatsNameDependsOnTheHeads) {
  const std::vector<std::pair<std::string, std::string>> formats{
      {"f16", "f16/f16"},
      {"int8", "int8:channel/int8:channel"},
      {"int4", "int4:channel/int4:channel"},
      {"int2", "int2:channel/int2:channel"},
      {"int4:token", "int4:token/int4:token"},
      {"k=int4,v=int8", "int4:channel/int8:channel"}};
  for (const auto& [text, codecs] : formats) EXPECT_EQ(layers_of(text, 1, 96)[0], codecs) << text;
  EXPECT_NE(*KvPlan::parse("int4"), *KvPlan::parse("int4:channel:hadamard"));
}

TEST(KvPlan, LaterRulesOverrideEarlierOnesAndRestIsWhatNoRangeNames) {
  using Layers = std::vector<std::string>;
  const std::string f32 = "f32/f32";
  const std::string f16 = "f16/f16";
  const std::string bf16 = "bf16/bf16";
  EXPECT_EQ(layers_of("f32; layer 1: f16; layers 0-1: bf16", 3), (Layers{bf16, bf16, f32}));
  EXPECT_EQ(layers_of("layers 0-1: bf16; f32", 2), (Layers{f32, f32}));
  EXPECT_EQ(layers_of("rest: f32; layers 0,-1: f16", 4), (Layers{f16, f32, f32, f16}));
  EXPECT_EQ(layers_of("layers -2--1: f16; rest: f32", 4), (Layers{f32, f32, f16, f16}));
  EXPECT_EQ(layers_of("layers 1--2: f16; all: f32; layer 0: bf16", 3), (Layers{bf16, f32, f32}));
  EXPECT_EQ(layers_of("rest: bf16", 2), (Layers{bf16, bf16}));
  EXPECT_EQ(layers_of("\t layers 0 - 1 , 3:f16 ;\n rest :f32 ", 5), (Layers{f16, f16, f32, f16, f32}));
}

TEST(KvPlan, TextIsTheShortestFormAndReadsBackAsTheSamePlan) {
  const std::vector<std::pair<std::string, std::string>> texts{
      {" int8 ", "int8"},
      {"all:fp8_e4m3", "fp8"},
      {"int4:channel", "int4:channel"},
      {"k=int4:channel,v=int4:token", "k=int4:channel,v=int4:token"},
      {"k=int4,v=int4", "int4"},
      {"k=int4:hadamard,v=int4", "k=int4:channel:hadamard,v=int4"},
      {"int4:hadamard:channel", "int4:channel:hadamard"},
      {"int8:token", "int8:token"},
      {"k = int8:channel , v = f16", "k=int8:channel,v=f16"},
      {"layers 3:f16;rest:int2", "layer 3: f16; rest: int2"},
      {"layers 0-3,7-7,-1:int3:hadamard;all:f32", "layers 0-3,7,-1: int3:channel:hadamard; f32"},
      {"layers 1--2:f16", "layers 1--2: f16"}};
  for (const auto& [text, shortest] : texts) {
    const auto plan = KvPlan::parse(text);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    EXPECT_EQ(plan->text(), shortest);
    EXPECT_EQ(*KvPlan::parse(plan->text()), *plan) << text;
  }
}

TEST(KvPlan, SaysWhereAFormatIsWrong) {
  EXPECT_EQ(parse_error("int5"), std::string("KV plan, column 1: \"int5\" is not a format; ") + kFormats);
  EXPECT_EQ(parse_error("k=int8,v=int5"),
            std::string("KV plan, column 10: \"int5\" is not a format; ") + kFormats);
  EXPECT_EQ(parse_error(""), std::string("KV plan, column 1: the end is not a format; ") + kFormats);
  EXPECT_EQ(parse_error("f16;"), std::string("KV plan, column 5: the end is not a format; ") + kFormats);
  EXPECT_EQ(parse_error("F16"), std::string("KV plan, column 1: \"F16\" is not a format; ") + kFormats);
  EXPECT_EQ(parse_error("layer 0: é"), std::string("KV plan, column 10: \"é\" is not a format; ") + kFormats);
  EXPECT_EQ(parse_error("lyers 0-3: f16"),
            std::string("KV plan, column 1: \"lyers\" is not a format; ") + kFormats);
  EXPECT_EQ(parse_error("others: f16"),
            std::string("KV plan, column 1: \"others\" is neither a format nor a choice of layers; ") +
                kFormats + "; layers are chosen by \"all:\", \"rest:\" and \"layers 0-3,-1:\"");
}

TEST(KvPlan, SaysWhereAWordIsWrong) {
  EXPECT_EQ(parse_error("int4:row"),
            "KV plan, column 6: \"row\" is not a word of a codec; there are token, channel and hadamard");
  EXPECT_EQ(parse_error("f16:row"),
            "KV plan, column 5: \"row\" is not a word of a codec; there is only hadamard");
  EXPECT_EQ(
      parse_error("f16:token"),
      "KV plan, column 5: \"token\" is for integer formats (int8, int4, int3, int2); the others have no "
      "scales, and take \"hadamard\" only");
  EXPECT_EQ(parse_error("int4:token:channel"),
            "KV plan, column 12: \"channel\" is a second axis; one is enough");
  EXPECT_EQ(parse_error("int4:hadamard:hadamard"), "KV plan, column 15: \"hadamard\" stands here twice");
  EXPECT_EQ(
      parse_error("f16 f32"),
      "KV plan, column 5: \"f32\", where only \":\" and a word, \",\" and \"sinks=\" or \"window=\", \";\" "
      "and another rule, or the end can stand");
}

TEST(KvPlan, SaysWhereKeysAndValuesAreWrong) {
  EXPECT_EQ(parse_error("k=int8"),
            "KV plan, column 7: the end, where \",v=\" and the codec of values is expected");
  EXPECT_EQ(parse_error("v=int8,k=int8"),
            "KV plan, column 1: \"v\", where \"k=\" and a codec are expected: keys and values are given as "
            "\"k=int8,v=int4\"");
  EXPECT_EQ(
      parse_error("k=int8,int4"),
      "KV plan, column 8: \"int4\", where \"v=\" and a codec are expected: keys and values are given as "
      "\"k=int8,v=int4\"");
}

TEST(KvPlan, SaysWhereLayersAreWrong) {
  const std::string number = "a layer's number stands here: 0, 1, ..., or -1 for the last layer";
  EXPECT_EQ(parse_error("layers : f16"), "KV plan, column 8: \":\" is not a layer; " + number);
  EXPECT_EQ(parse_error("layers x-3: f16"), "KV plan, column 8: \"x\" is not a layer; " + number);
  EXPECT_EQ(parse_error("layers 0-: f16"), "KV plan, column 10: \":\" is not a layer; " + number);
  EXPECT_EQ(parse_error("layers -0: f16"), "KV plan, column 8: \"-0\" is not a layer; " + number);
  EXPECT_EQ(parse_error("layers 0,: f16"), "KV plan, column 10: \":\" is not a layer; " + number);
  EXPECT_EQ(parse_error("layers 99999: f16"), "KV plan, column 8: no model has more than 65536 layers");
  EXPECT_EQ(parse_error("layers 99999999999999999999: f16"),
            "KV plan, column 8: no model has more than 65536 layers");
  EXPECT_EQ(parse_error("layers 3-1: f16"),
            "KV plan, column 8: layers 3-1 run backwards; the lower one comes first");
  EXPECT_EQ(parse_error("layers 0-3 f16"),
            "KV plan, column 12: \"f16\", where \":\" and codecs are expected, or \",\" and more layers");
  EXPECT_EQ(parse_error("rest f16"), "KV plan, column 6: \"f16\", where \":\" and codecs are expected");
  EXPECT_EQ(parse_error(std::string(20000, ' ')), "KV plan has 20000 bytes; at most 16384 are read");
}

TEST(KvPlan, RefusesLayersThatTheModelDoesNotHave) {
  EXPECT_EQ(resolve_error("f16; layers 0-32: f32", 32),
            "KV plan: there is no layer 32; this model has 32 layers, 0 to 31 (or -32 to -1, from the end)");
  EXPECT_EQ(resolve_error("f16; layer -33: f32", 32),
            "KV plan: there is no layer -33; this model has 32 layers, 0 to 31 (or -32 to -1, from the end)");
  EXPECT_EQ(resolve_error("f16; layers 4--4: f32", 6),
            "KV plan: layers 4--4 are 4-2 of this model's 6, which is backwards");
  EXPECT_EQ(
      resolve_error("layers 0-3: f16", 6),
      "KV plan: no rule is about layer 4 of 6; \"rest: CODEC\" is about all layers that no other rule names");
  EXPECT_EQ(resolve_error("k=f16,v=int4:hadamard", 6, 80),
            "KV plan: \"hadamard\" needs heads of a power of two of elements; this model's have 80");
}

TEST(KvPlan, ReadsJson) {
  const KvPlan plan = *KvPlan::parse("layers 0-3: f16; rest: k=int4:channel,v=int4:token");
  for (
      const std::string_view json :
      {R"("layers 0-3: f16; rest: k=int4:channel,v=int4:token")",
       R"({"plan": "layers 0-3: f16; rest: k=int4:channel,v=int4:token"})",
       R"([{"layers": "0-3", "codec": "f16"}, {"layers": "rest", "k": "int4:channel", "v": "int4:token"}])",
       R"({"plan": [{"layers": "0-3", "codec": "f16"}, {"layers": "rest", "k": "int4:channel", "v": "int4:token"}]} )"}) {
    const auto read = KvPlan::parse_json(json);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(*read, plan) << json;
  }
  EXPECT_EQ(*KvPlan::parse_json(R"([{"codec": "int4"}])"), KvPlan(KvFormat::kInt4));
  EXPECT_EQ(*KvPlan::parse_json(R"([{"k": "int4", "v": "int4"}])"), KvPlan(KvFormat::kInt4));
  EXPECT_EQ(*KvPlan::parse_json(R"([{"codec": "f16"}, {"layers": -1, "codec": "f32"}])"),
            *KvPlan::parse("f16; layer -1: f32"));
}

TEST(KvPlan, SaysWhereJsonIsWrong) {
  const std::string forms =
      "a plan is a string, {\"plan\": ...}, or a list of rules like {\"layers\": \"0-3\", \"codec\": "
      "\"f16\"}";
  const std::string codecs =
      "either \"codec\", or \"k\" and \"v\" are expected, or \"window\" alone, which keeps f16";
  EXPECT_EQ(json_error("[\n{\"codec\" \"f16\"}]").find("KV plan, line 2: not valid JSON: "), 0U);
  EXPECT_EQ(json_error("\"f16\"\n x"), "KV plan, line 2: not valid JSON: something follows the plan");
  EXPECT_EQ(json_error("[[[[[[]]]]]]").find("KV plan, line 1: not valid JSON: "), 0U);
  EXPECT_EQ(json_error("7"), "KV plan: " + forms);
  EXPECT_EQ(json_error("{\"plan\": 7}"), "KV plan: " + forms);
  EXPECT_EQ(json_error("{\"plan\": \"f16\", \"more\": 1}"), "KV plan: " + forms);
  EXPECT_EQ(json_error("[]"), "KV plan: the list is empty; " + forms);
  EXPECT_EQ(json_error("[7]"), "KV plan, rule 1: not an object; " + forms);
  EXPECT_EQ(json_error("\"int5\""), std::string("KV plan, column 1: \"int5\" is not a format; ") + kFormats);
  EXPECT_EQ(json_error(R"([{"codec": "f16"}, {"layer": 3, "codec": "f16"}])"),
            "KV plan, rule 2: \"layer\" is not a member of a rule; there are layers, codec, k, v, sinks and "
            "window");
  EXPECT_EQ(json_error(R"([{"codec": 16}])"), "KV plan, rule 1, \"codec\": a string is expected");
  EXPECT_EQ(json_error(R"([{"codec": "f16", "k": "f32"}])"), "KV plan, rule 1: " + codecs);
  EXPECT_EQ(json_error(R"([{"k": "f32"}])"), "KV plan, rule 1: " + codecs);
  EXPECT_EQ(
      json_error(R"([{"k": "f32", "v": "int4:row"}])"),
      "KV plan, rule 1, \"v\", column 6: \"row\" is not a word of a codec; there are token, channel and "
      "hadamard");
  EXPECT_EQ(
      json_error(R"([{"layers": "0-3;", "codec": "f16"}])"),
      "KV plan, rule 1, \"layers\", column 4: \";\", where only \",\" and more layers, or the end can stand");
  EXPECT_EQ(json_error(std::string(20000, ' ')), "KV plan has 20000 bytes of JSON; at most 16384 are read");
}

}  // namespace
}  // namespace cairn
