// Bytes of an HTTP client, cut as the first of them says: each request is read or refused, and the limits hold; the
// bytes that a cut leaves over give the same requests as the whole.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "server/http/http_parse.h"
#include "server/http/request_reader.h"
#include "server/http/sse_reader.h"

namespace {

using cairn::RequestReader;
using Progress = RequestReader::Progress;

constexpr cairn::HttpRequestLimits kLimits{.header_bytes_max = 1024, .body_bytes_max = 4096};

void check(bool holds) {
  if (!holds) std::abort();
}

// What was read of `text`, handed over in parts of so many bytes.
std::string read_all(std::string_view text, std::size_t part) {
  const auto budget = std::make_shared<cairn::BodyBudget>(1 << 20);
  std::string log;
  std::string input;
  auto reader = std::make_unique<RequestReader>(kLimits, budget);
  bool has_head = false;
  while (true) {
    std::size_t used = 0;
    const Progress progress = has_head ? reader->body(input, used) : reader->head(input, used);
    check(used <= input.size());
    input.erase(0, used);
    if (progress == Progress::kRefused) return log + std::to_string(reader->refusal().status);
    if (progress == Progress::kDone && !has_head) {
      has_head = true;
      const cairn::HttpHead& head = reader->parsed_head();
      log += head.method + head.path + head.query;
      static_cast<void>(cairn::query_parameters(head.query));
      static_cast<void>(cairn::percent_decoded(head.path));
      continue;
    }
    if (progress == Progress::kDone) {
      const std::string body = reader->take_body();
      check(body.size() <= kLimits.body_bytes_max);
      log += body;
      reader = std::make_unique<RequestReader>(kLimits, budget);
      has_head = false;
      continue;
    }
    check(input.size() <= kLimits.header_bytes_max + RequestReader::kChunkHeadBytesMax + part);
    if (used > 0 && !input.empty()) continue;
    if (text.empty()) return log;
    const std::size_t count = std::min(part, text.size());
    input += text.substr(0, count);
    text.remove_prefix(count);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read_all(text, 512);
  check(read_all(text, 1 + data[0]) == whole);
  cairn::SseReader events;
  static_cast<void>(events.push(text, [](const cairn::SseEvent&) {}));
  return 0;
}
