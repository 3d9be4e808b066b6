#include "cli/window_words.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

KvGeometry geometry(std::vector<Visibility> visibility) {
  auto made = KvGeometry::make({.layer_count = std::ssize(visibility),
                                .kv_head_count = 1,
                                .head_dim = 16,
                                .visibility = std::move(visibility)});
  EXPECT_TRUE(made.ok()) << made.status().message();
  return std::move(made).value();
}

Reply reply(std::vector<KvKeptRows> kept, std::vector<int64_t> passed) {
  Reply reply;
  reply.result.stats.kept_rows = std::move(kept);
  reply.passed_blocks = std::move(passed);
  return reply;
}

TEST(WindowWords, NamesTheLayersOfAGroupInRanges) {
  const Visibility window{.window = 512};
  const KvGeometry made = geometry({window, window, {}, window, {}, {}, window, window});
  EXPECT_EQ(layer_ranges(made, 0), "0-1, 3, 6-7");
  EXPECT_EQ(layer_ranges(made, 1), "2, 4-5");
}

TEST(WindowWords, SaysWhatIsSeen) {
  EXPECT_EQ(seen_text({}), "all");
  EXPECT_EQ(seen_text({.window = 512}), "the last 512");
  EXPECT_EQ(seen_text({.window = 1020, .sinks = 4}), "4 sinks and the last 1,020");
  EXPECT_EQ(seen_text({.window = 64, .sinks = 1}), "1 sink and the last 64");
}

TEST(WindowWords, SaysWhatIsStillThereAndWhatWasLetGo) {
  using Lines = std::vector<std::string>;
  const Visibility window{.window = 512};
  const Visibility sinks{.window = 1020, .sinks = 4};
  const KvGeometry made = geometry({window, window, {}, window, sinks});
  EXPECT_EQ(
      explain_windows(
          made, reply({{.begin = 1472, .end = 2048}, {.end = 2048}, {.sinks = 32, .begin = 960, .end = 2048}},
                      {46, 0, 1})),
      (Lines{
          "cache: layers 0-1, 3 see the last 512 positions: 1,472 to 2,047 are there; 46 blocks were let go "
          "meanwhile",
          "cache: layer 4 sees the first 4 and the last 1,020 positions: 0 to 31 and 960 to 2,047 are there; "
          "1 "
          "block was let go meanwhile"}));
  // Nothing was out of sight yet.
  EXPECT_EQ(
      explain_windows(made, reply({{.end = 1}, {.end = 1}, {.sinks = 1, .begin = 1, .end = 1}}, {0, 0, 0})),
      (Lines{"cache: layers 0-1, 3 see the last 512 positions: 0 is there; no block was let go meanwhile",
             "cache: layer 4 sees the first 4 and the last 1,020 positions: 0 is there; no block was let go "
             "meanwhile"}));
  // A cache that keeps nothing.
  EXPECT_EQ(explain_windows(made, reply({{}, {}, {}}, {0, 0, 0})).front(),
            "cache: layers 0-1, 3 see the last 512 positions: none is kept; no block was let go meanwhile");
  EXPECT_TRUE(explain_windows(geometry({{}, {}}), reply({{.end = 9}}, {0})).empty());
}

}  // namespace
}  // namespace cairn
