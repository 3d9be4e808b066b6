#include "cli/plan.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "cli/plan_testing.h"

namespace cairn {
namespace {

TEST(Plan, ReproducesTheTableOfQwen3Without) {
  PlanOptions options = preset("qwen3-8b", 40960);
  options.kv_head_count = 32;
  const PlanReport report = report_of(options);
  EXPECT_EQ(codec(report, "f32").kv_bytes, 45 * kGiB);
  EXPECT_EQ(codec(report, "f16").kv_bytes, 22 * kGiB + kGiB / 2);
  EXPECT_EQ(codec(report, "int8").bare_bytes, 11 * kGiB + kGiB / 4);
  EXPECT_EQ(codec(report, "int4").bare_bytes, 5 * kGiB + 5 * kGiB / 8);
  EXPECT_EQ(gb_text(45 * kGiB), "48.32");
  EXPECT_EQ(gib_text(codec(report, "int4").bare_bytes), "5.63");
  options.kv_head_count.reset();
  EXPECT_EQ(codec(report_of(options), "f32").kv_bytes, 11 * kGiB + kGiB / 4);

  EXPECT_EQ(plan_text(report).find("FP32"), std::string::npos);  // a lesson: --explain
  options.kv_head_count = 32;
  options.explains = true;
  const std::string text = plan_text(report_of(options));
  for (const char* line :
       {"FP32             32            46.08    3.04               81.12           48.32  45.00",
        "FP16             16            23.04    1.52               40.56           24.16  22.50",
        "INT8              8            11.52    0.76               20.28           12.08  11.25",
        "INT4              4             5.76    0.38               10.14            6.04   5.63"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST(Plan, CodecsTakeTheBitsThatTheyPromise) {
  const PlanReport report = report_of(preset("llama3-8b", 8192));
  for (const auto& [name, bits] : {std::pair("f32", 32.0),
                                   {"f16", 16.0},
                                   {"fp8", 8.0},
                                   {"int8", 8.5},
                                   {"int4", 5.0},
                                   {"int3", 4.0},
                                   {"int2", 3.0}}) {
    EXPECT_EQ(codec(report, name).bits, bits) << name;
  }
}

TEST(Plan, JsonHoldsWhatScriptsAskFor) {
  PlanOptions options = preset("llama2-7b", 4096);
  options.sequences = 2;
  options.shared_prefix = 1024;
  const PlanReport report = report_of(options);
  const boost::json::object object = boost::json::parse(plan_json(report)).as_object();
  EXPECT_EQ(object.at("kv_bytes_per_token").to_number<uint64_t>(), 524288U);
  EXPECT_EQ(object.at("kv_bytes").to_number<uint64_t>(), 4 * kGiB - kGiB / 2);
  EXPECT_EQ(object.at("shared_prefix").as_object().at("saves_bytes").to_number<uint64_t>(), kGiB / 2);
  EXPECT_EQ(object.at("weights_bytes").to_number<uint64_t>(), report.plan.weights_bytes);
  EXPECT_EQ(object.at("work_bytes").to_number<uint64_t>(), report.plan.work_bytes());
  EXPECT_EQ(object.at("total_bytes").to_number<uint64_t>(), report.plan.total_bytes());
  EXPECT_TRUE(object.at("fits").as_bool());
  EXPECT_EQ(object.at("codecs").as_array().size(), kKvFormats.size());
  options.sequences = 64;
  EXPECT_FALSE(boost::json::parse(plan_json(report_of(options))).as_object().at("fits").as_bool());
}

TEST(Plan, TextTellsExactFromEstimatedAndGbFromGib) {
  PlanOptions options = preset("llama2-70b", 4096);
  options.explains = true;
  const std::string text = plan_text(report_of(options));
  for (const char* part :
       {"64 query heads share 8 KV heads of 128", "1,342,177,280    1.34    1.25  exact:",
        "estimate: as if all matrices had one type", "it does not fit", "A KV cache does not pay"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Plan, ReadsAConfigAlone) {
  const TemporaryFolder folder;
  const std::string path = folder.write("config.json", R"({"model_type": "llama", "num_hidden_layers": 2,
      "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
      "vocab_size": 100, "max_position_embeddings": 256, "torch_dtype": "bfloat16"})");
  PlanOptions options{.config_path = path};
  const PlanReport report = report_of(options);
  EXPECT_EQ(report.model.weights_type, "bf16");
  EXPECT_EQ(report.wish.engine.context, 256);
  EXPECT_EQ(report.position_bytes, 2U * 2 * 2 * 16 * 2);
  // Embedding and output; q and output, k and v, ffn; norms.
  EXPECT_EQ(report.model.sizes.weights.parameter_count,
            2U * 100 * 64 + 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64) + 64);
  options.context = 257;
  EXPECT_EQ(try_report(options).status().message(),
            "a context of 257 positions is not possible: this model was made for 1 to 256 (beyond that, with "
            "`extend_context`, it gets worse)");
}

TEST(Plan, RefusesWhatDoesNotSuitTheModel) {
  PlanOptions options = preset("llama3-8b", 8192);
  options.kv_head_count = 5;
  EXPECT_EQ(try_report(options).status().code(), StatusCode::kInvalidArgument);
  options = preset("llama3-8b", 8192);
  options.kv_plan = *KvPlan::parse("f16; layers 30-32: int8");
  EXPECT_EQ(try_report(options).status().message().find("KV plan: there is no layer 32"), 0U);
  options = preset("llama3-8b", 8192);
  options.shared_prefix = 8193;
  EXPECT_EQ(try_report(options).status().message(),
            "--shared-prefix 8193 is longer than a sequence: --context is 8192");
  options = preset("llama3-8b", 8192);
  options.sequences = 1 << 20;
  EXPECT_EQ(try_report(options).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(try_report(PlanOptions{.config_path = "/nowhere/config.json"}).status().code(),
            StatusCode::kNotFound);
  // A preset is a shape to reckon with: it may be longer than it was made for, and says so.
  EXPECT_TRUE(report_of(preset("gpt2", 4096)).context_is_beyond_model());
}

// A hundred users of 4,000 positions of 40 layers of 32 heads of 128: 262 GB, of which nothing else is known.
TEST(Plan, AnswersForAShapeInNumbers) {
  PlanOptions options{.shape = {.layer_count = 40, .head_count = 32, .head_dim = 128}};
  options.context = 4000;
  options.sequences = 100;
  options.memory_bytes = 80 * kGiB;
  const PlanReport report = report_of(options);
  EXPECT_FALSE(report.knows_weights());
  EXPECT_FALSE(report.fits);
  EXPECT_EQ(report.plan.kv_bytes, uint64_t{2} * 40 * 32 * 128 * 2 * 4000 * 100);
  EXPECT_EQ(codec(report, "int8").bare_bytes, report.plan.kv_bytes / 2);
  const std::string text = plan_text(report);
  for (const char* part :
       {"its weights are unknown", "--ffn and --vocab would tell", "262.14", "A machine with 80.00 GiB",
        "keys and values alone do not fit", "int8  ", "a prefix of 992 positions that all share",
        "a window of 1,024 positions in all layers"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  const auto object = boost::json::parse(plan_json(report)).as_object();
  EXPECT_TRUE(object.at("weights_bytes").is_null());
  EXPECT_TRUE(object.at("total_bytes").is_null());
  EXPECT_EQ(object.at("kv_bytes").to_number<uint64_t>(), report.plan.kv_bytes);
  EXPECT_EQ(object.at("source").as_string(), "shape");
}

TEST(Plan, KnowsTheWeightsOfAShapeWithItsFfnAndVocabulary) {
  PlanOptions options{
      .shape = {.layer_count = 2, .head_count = 4, .head_dim = 16, .ffn_dim = 128, .vocab_size = 100}};
  options.context = 256;
  options.kv_head_count = 2;
  const PlanReport report = report_of(options);
  EXPECT_TRUE(report.knows_weights());
  EXPECT_EQ(report.model.sizes.weights.parameter_count,
            2U * 100 * 64 + 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64) + 64);
  EXPECT_GT(report.plan.total_bytes(), report.plan.kv_bytes);
}

TEST(Plan, NamesAllThatAShapeLacks) {
  EXPECT_EQ(try_report(PlanOptions{.shape = {.ffn_dim = 4}}).status().message(),
            "a shape needs --layers, --heads and --head-dim (and --ffn and --vocab for its weights): give "
            "--layers and "
            "--heads and --head-dim too");
  PlanOptions options{.shape = {.layer_count = 4, .head_count = 6, .head_dim = 64}};
  options.kv_head_count = 4;
  EXPECT_EQ(try_report(options).status().message(), "6 query heads cannot share 4 KV heads evenly");
  const TemporaryFolder folder;
  options = {.config_path = folder.write("config.json", R"({"model_type": "llama", "hidden_size": 64})")};
  EXPECT_EQ(
      try_report(options).status().message(),
      "config.json: num_hidden_layers, max_position_embeddings, num_attention_heads, intermediate_size and "
      "vocab_size are missing");
}

TEST(Plan, EveryPresetHasItsKeysAndValues) {
  for (const auto& [name, position_bytes] : {std::pair("llama3.1-8b", 131072U),
                                             {"gemma3-1b", 26624U},
                                             {"gemma3-4b", 139264U},
                                             {"gemma3-12b", 393216U},
                                             {"phi-4-mini", 131072U},
                                             {"qwen3-30b-a3b", 98304U},
                                             {"gpt-oss-20b", 49152U}}) {
    EXPECT_EQ(report_of(preset(name, 4096)).position_bytes, position_bytes) << name;
  }
  EXPECT_TRUE(report_of(preset("phi-4-mini", 4096)).knows_weights());
  EXPECT_FALSE(report_of(preset("gpt-oss-20b", 4096)).knows_weights());
}

TEST(Plan, CountsSharedPrefixesInBlocksToo) {
  PlanOptions options = preset("llama3-8b", 2112);
  options.sequences = 32;
  options.shared_prefix = 2048;
  const PlanReport report = report_of(options);
  EXPECT_EQ(report.blocks.shared, 64);
  EXPECT_EQ(report.blocks.of_each, 2);
  EXPECT_EQ(report.blocks.in_all, 128);
  EXPECT_EQ(report.blocks.unshared, 2112);
  EXPECT_NE(plan_text(report).find("64 blocks, and 2 for each sequence, 128 in all instead of 2,112"),
            std::string::npos);
}

// Beyond what a preset was made for, the limits do not claim that it was made for that.
TEST(Plan, DoesNotContradictItselfBeyondAPresetsContext) {
  const std::string beyond = plan_text(report_of(preset("gpt2", 4096)));
  EXPECT_EQ(beyond.find("all that the model was made for"), std::string::npos) << beyond;
  EXPECT_NE(beyond.find("4,096 or more, which is more than the model was made for"), std::string::npos)
      << beyond;
  EXPECT_NE(plan_text(report_of(preset("gpt2", 512))).find("1,024 (all that the model was made for)"),
            std::string::npos);
}

}  // namespace
}  // namespace cairn
