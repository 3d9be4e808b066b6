#include "cli/reply.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(Statistics, AreOneLine) {
  Reply reply;
  reply.result.reason = FinishReason::kEndToken;
  reply.result.stats = {.prompt_tokens = 100,
                        .reused_tokens = 60,
                        .generated_tokens = 11,
                        .ttft_ns = 20'000'000,
                        .tpot_ns = 4e6,
                        .kv_bytes = 2048};
  reply.kv_pool_bytes = 4096;
  EXPECT_EQ(describe_statistics(reply),
            "100 prompt tokens (60 from the cache), TTFT 20.0 ms (2000.0 tokens/s); 11 tokens, TPOT 4.0 ms "
            "(250.0 tokens/s); KV 2.0 KiB of 4.0 KiB; ended by the model");
}

TEST(Statistics, LeaveOutWhatNeverCame) {
  Reply reply;
  reply.result.reason = FinishReason::kCancelled;
  reply.result.stats.prompt_tokens = 5;
  EXPECT_EQ(describe_statistics(reply), "5 prompt tokens; 0 tokens; KV 0 B of 0 B; stopped");
}

}  // namespace
}  // namespace cairn
