#include "server/http/request_reader.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "base/random.h"

namespace cairn {
namespace {

using Progress = RequestReader::Progress;

constexpr HttpRequestLimits kLimits{.header_bytes_max = 1000, .body_bytes_max = 1000};

struct Outcome {
  Progress progress = Progress::kNeedsMore;
  int status = 0;
  std::string method, path, query, body;
  size_t rest = 0;  // bytes of the next request

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Hands over `text` cut at `cuts`, as a connection does.
Outcome read(std::string_view text, const std::vector<size_t>& cuts,
             const std::shared_ptr<BodyBudget>& budget) {
  RequestReader reader(kLimits, budget);
  std::string input;
  size_t begin = 0;
  size_t next_cut = 0;
  bool has_head = false;
  while (true) {
    size_t used = 0;
    const Progress progress = has_head ? reader.body(input, used) : reader.head(input, used);
    EXPECT_LE(used, input.size());
    input.erase(0, used);
    if (progress == Progress::kRefused) return {.progress = progress, .status = reader.refusal().status};
    if (progress == Progress::kDone && has_head) {
      const HttpHead& head = reader.parsed_head();
      return {.progress = progress,
              .status = 200,
              .method = head.method,
              .path = head.path,
              .query = head.query,
              .body = reader.take_body(),
              .rest = input.size() + text.size() - begin};
    }
    if (progress == Progress::kDone) {
      has_head = true;
      continue;
    }
    if (used > 0 && !input.empty()) continue;
    if (begin == text.size()) return {.progress = progress};
    const size_t end = next_cut < cuts.size() ? cuts[next_cut++] : text.size();
    input += text.substr(begin, end - begin);
    begin = end;
  }
}

const std::vector<std::string>& requests() {
  static const std::vector<std::string> all{
      "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET",
      "\r\n\r\nGET /a?b=c HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n",
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789more",
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "Chunked\r\n\r\n5;n=\"v\"\r\n01234\r\n005\r\n56789\r\n0\r\nT: u\r\n\r\nmore",
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n012345\r\n0\r\n\r\n",
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"};
  return all;
}

TEST(RequestReader, ReadsTheSameHoweverItsInputIsCut) {
  const auto budget = std::make_shared<BodyBudget>(100'000);
  uint64_t at = 0;
  for (const std::string& text : requests()) {
    const Outcome whole = read(text, {}, budget);
    EXPECT_NE(whole.progress, Progress::kNeedsMore) << text;
    for (size_t cut = 0; cut <= text.size(); ++cut)
      EXPECT_EQ(read(text, {cut}, budget), whole) << cut << text;
    std::vector<size_t> every;
    for (size_t i = 1; i < text.size(); ++i) every.push_back(i);
    EXPECT_EQ(read(text, every, budget), whole) << text;
    for (int i = 0; i < 50; ++i) {
      std::vector<size_t> some;
      for (const size_t cut : every) {
        if (random_bits(1, 0, at++) % 4 == 0) some.push_back(cut);
      }
      EXPECT_EQ(read(text, some, budget), whole) << text;
    }
  }
  EXPECT_EQ(budget->used_bytes(), 0u);
}

TEST(RequestReader, TakesApartWhatWasSent) {
  const auto budget = std::make_shared<BodyBudget>(100'000);
  const Outcome chunked = read(requests()[3], {}, budget);
  EXPECT_EQ(chunked.body, "0123456789");
  EXPECT_EQ(chunked.rest, 4u);
  EXPECT_EQ(read(requests()[1], {}, budget).query, "b=c");
  EXPECT_EQ(read(requests()[2], {}, budget).rest, 4u);
  EXPECT_EQ(read(requests()[4], {}, budget).status, 400);
  EXPECT_EQ(read(requests()[5], {}, budget).status, 413);
}

TEST(RequestReader, GivesItsBytesBack) {
  const auto budget = std::make_shared<BodyBudget>(15);
  {
    RequestReader reader(kLimits, budget);
    size_t used = 0;
    const std::string head = "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
    ASSERT_EQ(reader.head(head, used), Progress::kDone);
    EXPECT_TRUE(reader.has_body());
    EXPECT_EQ(reader.body("01234", used), Progress::kNeedsMore);
    EXPECT_EQ(budget->used_bytes(), 5u);
    EXPECT_EQ(read(requests()[2], {}, budget).status, 200);
    EXPECT_EQ(reader.body("56789", used), Progress::kDone);
    EXPECT_EQ(read(requests()[2], {}, budget).status, 503);
    const BodyLease lease = reader.take_lease();
    EXPECT_EQ(budget->used_bytes(), 10u);
  }
  EXPECT_EQ(budget->used_bytes(), 0u);
}

}  // namespace
}  // namespace cairn
