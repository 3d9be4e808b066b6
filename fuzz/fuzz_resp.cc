// Bytes of a Redis server, cut as the first of them says: however they are cut the replies are the same, the limits hold,
// and no reply is a map of slots that names what is not there.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "store/redis_slots.h"
#include "store/resp.h"

namespace {

using cairn::RespReader;
using cairn::RespValue;
using Kind = RespValue::Kind;
using Progress = RespReader::Progress;

constexpr cairn::RespLimits kLimits{
    .bytes_max = 4096, .line_bytes_max = 256, .element_count_max = 256, .depth_max = 5};

void check(bool holds) {
  if (!holds) std::abort();
}

struct Sizes {
  std::size_t bytes = 0;
  std::size_t elements = 0;
};

void measure(const RespValue& value, std::size_t depth, Sizes& sizes, std::string& log) {
  check(depth <= kLimits.depth_max + 1);  // within the innermost arrays, and empty ones there
  check(value.text.size() < kLimits.line_bytes_max);
  sizes.bytes += value.bytes.size();
  sizes.elements += value.elements.size();
  log += std::to_string(static_cast<int>(value.kind)) + std::to_string(value.integer) + value.text + "|";
  log += value.bytes_text();
  for (const RespValue& element : value.elements) measure(element, depth + 1, sizes, log);
  log += ";";
}

std::string read_all(std::span<const std::byte> bytes, std::size_t part) {
  RespReader reader(kLimits);
  std::string log;
  while (!bytes.empty()) {
    std::span<const std::byte> input = bytes.first(std::min(part, bytes.size()));
    bytes = bytes.subspan(input.size());
    while (!input.empty()) {
      const Progress progress = reader.read(input);
      if (progress == Progress::kBad) return log + "bad";
      if (progress == Progress::kMore) break;
      const RespValue reply = reader.take();
      Sizes sizes;
      measure(reply, 0, sizes, log);
      check(sizes.bytes <= kLimits.bytes_max && sizes.elements <= kLimits.element_count_max);
      const auto slots = cairn::RedisSlots::from_reply(reply, {.host = "asked", .port = 1});
      if (!slots.ok()) continue;
      for (const cairn::RedisAddress& node : slots->nodes())
        check(cairn::is_redis_host(node.host) && node.port > 0);
    }
    check(input.empty());
  }
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  check(read_all(bytes, 1 + data[0]) == read_all(bytes, 4096));
  return 0;
}
