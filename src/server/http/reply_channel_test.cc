#include "server/http/reply_channel.h"

#include <gtest/gtest.h>

#include <utility>

#include "server/http/reply_text.h"

namespace cairn {
namespace {

class ReplyChannelTest : public testing::Test {
 protected:
  int wakes_ = 0;
  ReplyChannel channel_{100, ReplyChannel::Chunks::kFramed, [this] { ++wakes_; }};
};

TEST_F(ReplyChannelTest, WakesOnceForAllThatWaits) {
  channel_.begin_stream({});
  EXPECT_TRUE(channel_.send("abc"));
  EXPECT_TRUE(channel_.send("de"));
  EXPECT_EQ(wakes_, 1);
  auto taken = channel_.take();
  EXPECT_TRUE(taken.head.has_value());
  EXPECT_TRUE(taken.is_stream);
  EXPECT_EQ(taken.bytes, "3\r\nabc\r\n2\r\nde\r\n");
  EXPECT_FALSE(taken.is_last);
  EXPECT_EQ(channel_.unsent_bytes(), taken.bytes.size());
  channel_.end_stream();
  EXPECT_EQ(wakes_, 2);
  channel_.wrote_all();
  taken = channel_.take();
  EXPECT_EQ(taken.bytes, kLastChunk);
  EXPECT_TRUE(taken.is_last);
}

TEST_F(ReplyChannelTest, CountsWhatIsBeingWrittenAsUnsent) {
  channel_.begin_stream({});
  EXPECT_TRUE(channel_.send(std::string(500, 'x')));  // alone it may be larger
  (void)channel_.take();
  int gone = 0;
  channel_.when_gone([&] { ++gone; });
  EXPECT_FALSE(channel_.send("y"));
  EXPECT_TRUE(channel_.is_gone());
  EXPECT_EQ(gone, 0);  // not on this thread
  EXPECT_TRUE(channel_.take().is_cut);
  channel_.client_failed();
  channel_.client_failed();
  EXPECT_EQ(gone, 1);
}

TEST_F(ReplyChannelTest, AClosedClientStillGetsAReplyThatIsThere) {
  channel_.reply({.body = "whole"});
  channel_.client_closed();
  EXPECT_FALSE(channel_.is_gone());
  EXPECT_TRUE(channel_.take().is_last);
  channel_.completed();
  channel_.client_failed();
  EXPECT_FALSE(channel_.is_gone());
}

TEST_F(ReplyChannelTest, WhenGoneRunsOnceAndNotAfterTheEnd) {
  int gone = 0;
  channel_.when_gone([&] { gone += 10; });
  channel_.when_gone([&] { ++gone; });  // instead of the first
  channel_.client_closed();
  EXPECT_EQ(gone, 1);
  channel_.detach();
  EXPECT_EQ(gone, 1);
  channel_.when_gone([&] { ++gone; });
  EXPECT_EQ(gone, 2);

  ReplyChannel complete(100, ReplyChannel::Chunks::kBare, [] {});
  const auto owner = std::make_shared<int>();
  complete.when_gone([owner] { FAIL(); });
  complete.reply({});
  (void)complete.take();
  complete.completed();
  EXPECT_EQ(owner.use_count(), 1);
  complete.detach();
}

TEST_F(ReplyChannelTest, ADroppedExchangeIsAnswered) {
  channel_.when_gone([] { FAIL(); });
  channel_.abandon();
  const auto taken = channel_.take();
  ASSERT_TRUE(taken.head.has_value());
  EXPECT_EQ(taken.head->status, 500);
  EXPECT_TRUE(taken.is_last);

  ReplyChannel stream(100, ReplyChannel::Chunks::kBare, [] {});
  stream.begin_stream({});
  stream.send("half");
  stream.abandon();
  EXPECT_TRUE(stream.take().is_cut);
}

TEST(ReplyText, WritesHeads) {
  const HttpReply reply{.status = 404, .content_type = "text/plain", .body = "none"};
  EXPECT_EQ(reply_head(reply, {.now = 784111777}),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(reply_head({.status = 99999}, {}).starts_with("HTTP/1.1 500 "));
  EXPECT_EQ(error_reply(503, "Full.").body,
            R"({"error":{"message":"Full.","type":"server_error","param":null,"code":null}})");
}

}  // namespace
}  // namespace cairn
