#include "engine/open_engine.h"

#include <gtest/gtest.h>

#include "base/machine.h"
#include "base/temporary_folder_testing.h"
#include "cairn/llm.h"
#include "engine/block_identity.h"
#include "model/synth.h"

namespace cairn {
namespace {

Config made_for(int64_t context) {
  Config config;
  config.layer_count = 2;
  config.head_dim = 64;
  config.layers.resize(2);
  config.context_length = context;
  return config;
}

TEST(OpenEngine, TheContextIsTheModelsUpToTheDefault) {
  EXPECT_EQ(*context_for(made_for(2048), KvPlan(), std::nullopt), 2048);
  EXPECT_EQ(*context_for(made_for(131072), KvPlan(), std::nullopt), kDefaultContext);
  EXPECT_EQ(*context_for(made_for(131072), KvPlan(), 131072), 131072);
  EXPECT_EQ(*context_for(made_for(2048), KvPlan(), 1), 1);
  for (const int64_t context : {int64_t{0}, int64_t{-1}, int64_t{2049}}) {
    EXPECT_EQ(context_for(made_for(2048), KvPlan(), context).status().code(), StatusCode::kInvalidArgument)
        << context;
  }
}

TEST(OpenEngine, ALongerContextNeedsAnOption) {
  const Status refused = check_context(made_for(2048), KvPlan(), 2049);
  EXPECT_NE(refused.message().find("`extend_context`"), std::string::npos) << refused.message();
  EXPECT_TRUE(check_context(made_for(2048), KvPlan(), 2049, ContextLimit::kNone).ok());
  EXPECT_EQ(*context_for(made_for(2048), KvPlan(), 100000, ContextLimit::kNone), 100000);
  EXPECT_EQ(*context_for(made_for(2048), KvPlan(), std::nullopt, ContextLimit::kNone), 2048);
  for (const int64_t context : {int64_t{0}, (int64_t{1} << 30) + 1}) {
    EXPECT_FALSE(check_context(made_for(2048), KvPlan(), context, ContextLimit::kNone).ok()) << context;
  }
  // A table of positions has an end.
  Config table = made_for(2048);
  table.learned_positions = true;
  EXPECT_FALSE(check_context(table, KvPlan(), 2049, ContextLimit::kNone).ok());
  EXPECT_EQ(check_context(table, KvPlan(), 2049).message().find("extend_context"), std::string::npos);
}

TEST(OpenEngine, AnExtendedContextRuns) {
  const TemporaryFolder folder;
  const std::string path = folder.at("model.gguf");
  ASSERT_TRUE(write_synthetic_model({.shape = "tiny-llama", .context_length = 32}, path).ok());
  const auto loaded =
      load_model(path, {.thread_count = 1, .context = 100, .context_limit = ContextLimit::kNone});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->made_for, 32);
  EXPECT_EQ(loaded->model->config().context_length, 100);
  const auto engine = Engine::create(loaded->model, *loaded->threads, loaded->engine_options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ((*engine)->context(), 100);
}

// Short or long factors are chosen by the context, once, and blocks of the two are never confused.
TEST(OpenEngine, RopeIsSettledByTheContext) {
  const TemporaryFolder folder;
  const std::string path = folder.at("model.gguf");
  ASSERT_TRUE(write_synthetic_model({.shape = "tiny-phi3-long"}, path).ok());
  const auto at = [&](int64_t context) {
    return load_model(path, {.thread_count = 1, .context = context}).value();
  };
  const LoadedModel short_one = at(64), long_one = at(65), longer_one = at(2000);
  EXPECT_EQ(short_one.made_for, 2048);
  EXPECT_EQ(short_one.model->config().context_length, 64);
  EXPECT_EQ(short_one.model->config().ropes[0].divisors.back(), 2.5);
  EXPECT_EQ(long_one.model->config().ropes[0].divisors.back(), 12.0);
  const auto identity = [](const LoadedModel& loaded) {
    return block_identity(loaded.model->config(), *loaded.kernels);
  };
  EXPECT_NE(identity(short_one), identity(long_one));
  EXPECT_EQ(identity(long_one), identity(longer_one));
  // A model that was loaded for short contexts runs no longer ones ...
  EXPECT_FALSE(Engine::create(short_one.model, *short_one.threads, long_one.engine_options).ok());
  // ... but behind a window, where no distance is longer.
  const LoadedModel windowed =
      load_model(path, {.thread_count = 1, .kv_plan = KvPlan::parse("sinks=4,window=40").value()}).value();
  EXPECT_EQ(windowed.model->config().ropes[0].divisors.back(), 2.5);
  EXPECT_EQ(windowed.reach, 44);
  EXPECT_EQ(windowed.engine_options.context, 2048);
  EXPECT_TRUE(Engine::create(windowed.model, *windowed.threads, windowed.engine_options).ok());
}

TEST(OpenEngine, OptionsOfTheEngineKeepWhatWasAskedFor) {
  OpenOptions options{.context = 100};
  options.engine.max_sequences = 7;
  options.engine.pool_bytes = 12345;
  const auto engine = engine_options_for(made_for(2048), options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ(engine->context, 100);
  EXPECT_EQ(engine->max_sequences, 7);
  EXPECT_EQ(engine->pool_bytes, 12345U);
  EXPECT_EQ(engine->available_bytes.has_value(), memory_facts().available_bytes > 0);
}

// The public header says them in numbers of its own.
TEST(OpenEngine, TheFaceHasTheEnginesDefaults) {
  EXPECT_EQ(LlmOptions().prefill_chunk, EngineOptions().prefill_chunk);
  EXPECT_EQ(KvPlan::parse(LlmOptions().kv_plan)->text(), EngineOptions().kv_plan.text());
}

TEST(OpenEngine, BothFacesRefuseInTheSameWords) {
  const TemporaryFolder folder;
  const std::string path = folder.at("model.gguf");
  ASSERT_TRUE(write_synthetic_model({.shape = "tiny-llama"}, path).ok());
  const auto expect_the_same = [&](const LlmOptions& face, const OpenOptions& inner) {
    const Status status = load_model(path, inner).status();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(Llm::open(path, face).status().message(), status.message());
  };
  expect_the_same({.context = 5000}, {.context = 5000});
  expect_the_same({.thread_count = 0}, {.thread_count = 0});
  expect_the_same({.isa = "sse9"}, {.isa = "sse9"});
  expect_the_same({.prefill_chunk = 0}, {.engine = {.max_sequences = 4, .prefill_chunk = 0}});
  expect_the_same({.max_sequences = 0}, {.engine = {.max_sequences = 0}});
}

TEST(OpenEngine, TheCallerMayDecideByTheModelOrRefuse) {
  const TemporaryFolder folder;
  const std::string path = folder.at("model.gguf");
  ASSERT_TRUE(write_synthetic_model({.shape = "tiny-llama"}, path).ok());
  OpenOptions options{.thread_count = 1, .context = 64};
  bool has_loaded = false;
  options.on_load_progress = [&has_loaded](uint64_t, uint64_t) { has_loaded = true; };
  options.prepare = [](const Config& config, const Tokenizer& tokenizer, EngineOptions& engine) -> Status {
    EXPECT_EQ(config.vocab_size, tokenizer.vocab_size());
    EXPECT_EQ(engine.context, 64);
    engine.max_sequences = 3;
    return {};
  };
  const auto loaded = load_model(path, options);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->engine_options.max_sequences, 3);
  EXPECT_EQ(loaded->engine_options.context, 64);
  EXPECT_TRUE(has_loaded);

  has_loaded = false;
  options.prepare = [](const Config&, const Tokenizer&, EngineOptions&) { return invalid_argument("no"); };
  EXPECT_EQ(load_model(path, options).status(), invalid_argument("no"));
  EXPECT_FALSE(has_loaded);  // a refusal costs no loading
}

TEST(OpenEngine, AnEngineRunsOnWhatWasLoaded) {
  const TemporaryFolder folder;
  const std::string path = folder.at("model.gguf");
  ASSERT_TRUE(write_synthetic_model({.shape = "tiny-llama"}, path).ok());
  const auto loaded = load_model(path, {.thread_count = 1, .context = 64});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->threads->thread_count(), 1);
  const auto engine = Engine::create(loaded->model, *loaded->threads, loaded->engine_options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ((*engine)->context(), 64);
}

}  // namespace
}  // namespace cairn
