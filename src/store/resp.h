// RESP2: how Redis is spoken to. RespReader takes replies apart as their bytes come; the functions below write commands.
//
// Always true: nothing is allocated on the word of a length before that is checked against the limits; a reply may
// come in parts cut anywhere. Bytes that are not RESP, or are over a limit, make the reader bad for good: its
// connection must be dropped. Pure functions of their input; a reader belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

struct RespLimits {
  size_t bytes_max = 16 << 20;        // of all bulk strings of one reply together
  size_t line_bytes_max = 4096;       // of a status, an error, a number or a length, with its end
  size_t element_count_max = 65'536;  // of all arrays of one reply together
  size_t depth_max = 5;               // arrays in arrays; CLUSTER SLOTS has four
};

struct RespValue {
  enum class Kind { kNull, kStatus, kError, kInteger, kBytes, kArray };
  Kind kind = Kind::kNull;
  int64_t integer = 0;
  std::string text;              // of a status or an error, without its sign
  std::vector<std::byte> bytes;  // of a bulk string
  std::vector<RespValue> elements;

  [[nodiscard]] bool is(Kind wanted) const { return kind == wanted; }
  [[nodiscard]] std::string_view bytes_text() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

class RespReader {
 public:
  enum class Progress { kMore, kDone, kBad };

  explicit RespReader(RespLimits limits = {}) : limits_(limits) {}

  // Takes bytes from the front of `input`, up to the end of one reply. kMore: `input` is used up.
  Progress read(std::span<const std::byte>& input);
  // After kDone, once; the next read() begins the next reply.
  [[nodiscard]] RespValue take();
  // After kBad: what was wrong, as part of a sentence.
  [[nodiscard]] std::string_view error() const { return error_; }
  // Whether no reply has begun.
  [[nodiscard]] bool is_between_replies() const;

 private:
  struct OpenArray {
    RespValue array;
    size_t missing = 0;
  };

  Progress read_line(std::span<const std::byte>& input);
  Progress read_bytes(std::span<const std::byte>& input);
  Progress end_line();
  Progress begin_bytes(std::string_view length);
  Progress begin_array(std::string_view count);
  Progress add(RespValue value);  // a value is whole: the reply, or an element of the innermost array
  Progress bad(std::string_view what);

  RespLimits limits_;
  std::string line_;
  RespValue bulk_;
  size_t bulk_missing_ = 0;  // with the line end behind it; 0: a line is being read
  std::vector<OpenArray> open_;
  RespValue reply_;
  size_t bytes_used_ = 0;
  size_t elements_used_ = 0;
  bool is_bad_ = false;
  std::string_view error_;
};

// A command is an array of bulk strings: its count, then for each a length and the bytes.
void append_resp_count(std::string& out, size_t count);
void append_resp_length(std::string& out, size_t byte_count);  // the bytes and "\r\n" follow
void append_resp_bytes(std::string& out, std::string_view bytes);
void append_resp_command(std::string& out, std::initializer_list<std::string_view> parts);

}  // namespace cairn
