// `cairn plan` of models and plans with windows.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string>

#include "base/temporary_folder_testing.h"
#include "cli/plan_testing.h"
#include "engine/open_engine.h"

namespace cairn {
namespace {

PlanOptions with_kv(PlanOptions options, const char* plan) {
  options.kv_plan = *KvPlan::parse(plan);
  return options;
}

void expect_parts(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

// A row or value of position p takes 256 x 2 B, so a position 1,024 B a layer: four layers keep all, and 22 keep what
// a window of 512 and a step of 512 rows need.
TEST(PlanWindows, Gemma3KeepsWhatItsWindowsNeed) {
  const PlanReport report = report_of(preset("gemma3-1b", 32768));
  constexpr uint64_t kNeeded = 4 * uint64_t{32768} * 1024 + 22 * uint64_t{512 + 512} * 1024;
  EXPECT_EQ(kNeeded, 157'286'400U);
  EXPECT_GE(report.plan.kv_bytes, kNeeded);
  EXPECT_LE(report.plan.kv_bytes, kNeeded + kNeeded / 50);
  EXPECT_GT(report.plan.resume_bytes, 0U);
  EXPECT_LE(report.plan.resume_bytes, report.plan.kv_bytes / 10);
  EXPECT_EQ(report.growth_bytes, 4U * 1024);
  ASSERT_EQ(report.groups.size(), 2U);
  const GroupRow& local = report.groups[0];
  EXPECT_EQ(local.layers, "0-4, 6-10, 12-16, 18-22, 24-25");
  EXPECT_EQ(local.seen, Visibility{.window = 512});
  EXPECT_EQ(local.origin, GroupRow::Origin::kModel);
  EXPECT_GE(local.positions, 512);
  EXPECT_LE(local.positions, 640);
  EXPECT_EQ(report.groups[1].layers, "5, 11, 17, 23");
  EXPECT_EQ(report.groups[1].positions, 32768);
  EXPECT_EQ(report.groups[1].bytes, 4 * uint64_t{32768} * 1024);
  EXPECT_EQ(local.bytes + report.groups[1].bytes, report.plan.kv_bytes);
  EXPECT_EQ(local.resume_bytes + report.groups[1].resume_bytes, report.plan.resume_bytes);
  EXPECT_EQ(report.sequence_bytes,
            static_cast<uint64_t>(local.positions) * 22 * 1024 + report.groups[1].bytes);
  expect_parts(plan_text(report),
               {"kept for later", "a sequence; each position more adds 4,096", "the last 512  the model",
                "by what layers see", "The model's own windows save 0.70 of 0.87 GB (80 %)"});
}

TEST(PlanWindows, WithoutWindowsThereIsNoTableOfGroups) {
  const PlanReport report = report_of(preset("llama3-8b", 8192));
  EXPECT_EQ(report.plan.resume_bytes, 0U);
  EXPECT_EQ(report.growth_bytes, report.position_bytes);
  EXPECT_TRUE(report.saved.empty());
  const std::string text = plan_text(report);
  EXPECT_EQ(text.find("kept for later"), std::string::npos);
  EXPECT_EQ(text.find("by what layers see"), std::string::npos);
  EXPECT_EQ(text.find("recall"), std::string::npos);
  // Windows that no text outgrows are none.
  EXPECT_FALSE(report_of(preset("gemma3-1b", 512)).has_windows());
}

// All layers forget: a text takes no more memory, however long it is.
TEST(PlanWindows, ARetentionInAllLayersEndsNothing) {
  const PlanReport report =
      report_of(with_kv(preset("llama2-7b", 100'000), "k=int8,v=int4,sinks=4,window=1020"));
  EXPECT_FALSE(report.context_is_beyond_model());
  EXPECT_EQ(report.reach, 1024);
  EXPECT_EQ(report.limits.longest_context, kEndless);
  EXPECT_TRUE(report.has_flat_memory);
  const PlanReport longer =
      report_of(with_kv(preset("llama2-7b", 1'000'000), "k=int8,v=int4,sinks=4,window=1020"));
  EXPECT_EQ(longer.plan.kv_bytes, report.plan.kv_bytes);
  EXPECT_EQ(longer.sequence_bytes, report.sequence_bytes);
  ASSERT_EQ(report.groups.size(), 1U);
  EXPECT_EQ(report.groups[0].origin, GroupRow::Origin::kPlan);
  expect_parts(plan_text(report),
               {"4 sinks and the last 1,020  the KV plan", "a sequence, however long it is",
                "for 1 sequence that fits: any (no layer keeps all positions)",
                "cannot be recalled (--explain", "against the same plan without it"});
  // Farther than the model was made for, it does not go.
  const PlanReport wide = report_of(with_kv(preset("llama2-7b", 100'000), "window=5000"));
  EXPECT_TRUE(wide.context_is_beyond_model());
  EXPECT_EQ(wide.reach, 5000);
}

TEST(PlanWindows, EveryCodecKeepsTheRetentionThatWasAskedFor) {
  const PlanReport uniform = report_of(with_kv(preset("llama3-8b", 8192), "bf16,sinks=4,window=1020"));
  const CodecRow& same = codec(uniform, "bf16,sinks=4,window=1020");
  EXPECT_EQ(same.kv_bytes, uniform.plan.kv_bytes);
  EXPECT_EQ(same.bare_bytes, same.kv_bytes);
  EXPECT_EQ(same.sequence_bytes, uniform.sequence_bytes);
  const CodecRow& small = codec(uniform, "int8,sinks=4,window=1020");
  EXPECT_EQ(small.bits, 8.5);
  EXPECT_EQ(small.kv_bytes * 16, same.kv_bytes * 17 / 2);
  EXPECT_EQ(small.bare_bytes, same.kv_bytes / 2);

  const PlanReport mixed = report_of(with_kv(
      preset("llama3-8b", 8192), "layers 0-3,8: sinks=4,window=1020; layer 5: window=64; rest: int4"));
  EXPECT_EQ(codec(mixed, "layers 0-3,8: int2,sinks=4,window=1020; layer 5: int2,window=64; rest: int2").bits,
            3.0);
}

// Each kind of windows against the plan without it, so that the two add up.
TEST(PlanWindows, WhatIsSavedAlreadyAddsUp) {
  const PlanReport own = report_of(preset("gemma3-1b", 32768));
  const PlanReport both = report_of(with_kv(preset("gemma3-1b", 32768), "window=1024"));
  ASSERT_EQ(own.saved.size(), 1U);
  ASSERT_EQ(both.saved.size(), 2U);
  EXPECT_EQ(both.saved[0].by, Saved::By::kModel);
  EXPECT_EQ(both.saved[0].without_bytes, 26U * 1024 * 32768);
  EXPECT_EQ(both.saved[0].with_bytes, own.plan.row_bytes());
  EXPECT_EQ(both.saved[1].by, Saved::By::kPlan);
  EXPECT_EQ(both.saved[1].without_bytes, own.plan.row_bytes());
  EXPECT_EQ(both.saved[1].with_bytes, both.plan.row_bytes());
  // One layer in six sees what the plan says, the others what the model was made with.
  EXPECT_EQ(both.groups[0].origin, GroupRow::Origin::kModel);
  EXPECT_EQ(both.groups[1].origin, GroupRow::Origin::kPlan);
  // The same for all layers, though not by the same rule.
  const PlanReport same = report_of(with_kv(preset("gemma3-1b", 32768), "window=512"));
  ASSERT_EQ(same.groups.size(), 1U);
  EXPECT_EQ(same.groups[0].origin, GroupRow::Origin::kBoth);
  // A window that hides nothing is none; one with sinks stays, and takes what it takes.
  EXPECT_TRUE(report_of(with_kv(preset("llama3-8b", 512), "window=1024")).groups[0].seen.sees_all());
  EXPECT_NE(plan_text(report_of(with_kv(preset("llama3-8b", 512), "window=1024")))
                .find("The KV plan's retention saves nothing at 512 positions"),
            std::string::npos);
}

TEST(PlanWindows, APrefixIsSharedWhereLayersKeepAll) {
  PlanOptions options = preset("gemma3-1b", 8192);
  options.sequences = 8;
  const PlanReport apart = report_of(options);
  options.shared_prefix = 2048;
  const PlanReport together = report_of(options);
  EXPECT_EQ(together.prefix_saves_bytes, uint64_t{7} * 2048 * 4 * 1024);
  EXPECT_EQ(apart.plan.kv_bytes - together.plan.kv_bytes, together.prefix_saves_bytes);
  expect_parts(plan_text(together), {"is kept once where layers see all: 64 blocks"});

  PlanOptions flat = with_kv(options, "window=512");
  const PlanReport nothing = report_of(flat);
  EXPECT_EQ(nothing.prefix_saves_bytes, 0U);
  flat.shared_prefix = 0;
  EXPECT_EQ(report_of(flat).plan, nothing.plan);
  expect_parts(plan_text(nothing), {"saves nothing: no layer keeps all positions"});
}

TEST(PlanWindows, JsonHasTheGroups) {
  const PlanReport report = report_of(with_kv(preset("gemma3-1b", 32768), "sinks=4,window=1020"));
  const auto object = boost::json::parse(plan_json(report)).as_object();
  const auto& groups = object.at("groups").as_array();
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].at("window").to_number<int64_t>(), 512);
  EXPECT_EQ(groups[0].at("window_of").as_string(), "model");
  EXPECT_EQ(groups[1].at("layers").as_string(), "5, 11, 17, 23");
  EXPECT_EQ(groups[1].at("window").to_number<int64_t>(), 1020);
  EXPECT_EQ(groups[1].at("sinks").to_number<int64_t>(), 4);
  EXPECT_EQ(groups[1].at("window_of").as_string(), "plan");
  EXPECT_EQ(groups[1].at("bytes").to_number<uint64_t>(), report.groups[1].bytes);
  EXPECT_EQ(object.at("resume_bytes").to_number<uint64_t>(), report.plan.resume_bytes);
  EXPECT_EQ(object.at("kv_bytes_per_token").to_number<uint64_t>(), 0U);
  EXPECT_EQ(object.at("saved").as_array().size(), 2U);
  const auto plain = boost::json::parse(plan_json(report_of(preset("llama3-8b", 8192)))).as_object();
  EXPECT_TRUE(plain.at("groups").as_array().at(0).at("window").is_null());
  EXPECT_EQ(plain.at("resume_bytes").to_number<uint64_t>(), 0U);
}

// A model that could be loaded: its context counts for distances only.
TEST(PlanWindows, AConfigMayGoOnBehindItsContextWhereAllLayersForget) {
  const TemporaryFolder folder;
  PlanOptions options{.config_path = folder.write("config.json", R"({
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
    "intermediate_size": 128, "vocab_size": 100, "max_position_embeddings": 256})")};
  options.context = 100'000;
  EXPECT_FALSE(try_report(options).ok());
  EXPECT_FALSE(try_report(with_kv(options, "layer 0: f16; rest: window=128")).ok());
  const PlanReport report = report_of(with_kv(options, "sinks=4,window=128"));
  EXPECT_FALSE(report.context_is_beyond_model());
  EXPECT_FALSE(try_report(with_kv(options, "sinks=4,window=256")).ok());
}

TEST(PlanWindows, ATextWithoutEndIsPlannedAsItRuns) {
  PlanOptions options = preset("llama3-8b", kEndless);
  options.sequences = 3;
  const PlanReport report = report_of(options);
  EXPECT_EQ(report.wish.engine.kv_plan.text(), "sinks=4,window=1020");
  EXPECT_TRUE(report.has_flat_memory);
  EXPECT_EQ(report.reach, 1024);
  EXPECT_EQ(report.limits.longest_context, kEndless);
  // As much as any text that is longer than all that is kept.
  PlanOptions longer = with_kv(preset("llama3-8b", 100'000), "sinks=4,window=1020");
  longer.sequences = 3;
  EXPECT_EQ(report.plan.row_bytes(), report_of(longer).plan.row_bytes());
  expect_parts(plan_text(report),
               {"3 sequences of any length", "however long it is", "any (no layer keeps all"});
  EXPECT_TRUE(boost::json::parse(plan_json(report)).at("context").is_null());
  EXPECT_NE(try_report(with_kv(options, "f16")).status().message().find("layer 0 keeps all"),
            std::string::npos);

  PlanOptions shape{.shape = {.layer_count = 4, .head_count = 2, .head_dim = 64}};
  shape.context = kEndless;
  EXPECT_EQ(report_of(shape).config().context_length, kDefaultContext);
  PlanOptions demo;
  demo.context = kEndless;
  demo.kv_plan = KvPlan::parse("window=100").value();
  EXPECT_EQ(report_of(demo).reach, 100);
}

TEST(PlanWindows, ExplainSaysWhichTasksLose) {
  PlanOptions options = with_kv(preset("llama3-8b", 8192), "window=1024");
  options.explains = true;
  expect_parts(plan_text(report_of(options)), {"What lies beyond a window cannot be recalled\n",
                                               "names and numbers", "Sinks keep the text fluent"});
  expect_parts(plan_text(report_of(with_kv(preset("llama3-8b", 8192), "layer 0: window=64; rest: f16"))),
               {"Layers with the KV plan's window cannot recall what lies beyond it (--explain"});
  // A model that was trained with its windows loses nothing by them.
  options = preset("gemma3-1b", 32768);
  options.explains = true;
  EXPECT_EQ(plan_text(report_of(options)).find("recall"), std::string::npos);
}

}  // namespace
}  // namespace cairn
