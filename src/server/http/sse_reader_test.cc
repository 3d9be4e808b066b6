#include "server/http/sse_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace cairn {
namespace {

std::vector<std::string> events_of(const std::vector<std::string>& parts) {
  SseReader reader;
  std::vector<std::string> events;
  for (const std::string& part : parts) {
    EXPECT_TRUE(
        reader.push(part, [&](const SseEvent& event) { events.push_back(event.name + "|" + event.data); }));
  }
  return events;
}

TEST(SseReader, ReadsEventsHoweverTheyAreCut) {
  const std::string text =
      ": comment\n\ndata: a\n\nevent: delta\r\ndata:b\r\ndata: c\r\nid: 7\r\n\r\ndata\r\revent: "
      "none\n\ndata:  d\n\ndata: half";
  const std::vector<std::string> expected{"|a", "delta|b\nc", "|", "| d"};
  EXPECT_EQ(events_of({text}), expected);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(events_of({text.substr(0, cut), text.substr(cut)}), expected) << cut;
  }
  std::vector<std::string> letters;
  for (const char c : text) letters.emplace_back(1, c);
  EXPECT_EQ(events_of(letters), expected);
}

TEST(SseReader, GivesUpOnEndlessEvents) {
  SseReader reader;
  const std::string part(1 << 20, 'x');
  bool is_fine = true;
  for (int i = 0; i < 20 && is_fine; ++i) is_fine = reader.push(part, [](const SseEvent&) { FAIL(); });
  EXPECT_FALSE(is_fine);
  EXPECT_FALSE(reader.push("\n\n", [](const SseEvent&) { FAIL(); }));
}

}  // namespace
}  // namespace cairn
