// JsonScan: reads one JSON object byte by byte, strictly, and says at each byte what came to be. Constant work for a
// byte; its memory is its nesting, which is bounded. For ReplyReader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cairn {

// What a byte did.
enum class JsonStep : uint8_t {
  kInside,      // nothing that matters
  kKeyBegin,    // the opening quote of a key of the outermost object
  kKeyEnd,      // its closing quote
  kValueBegin,  // the first byte of a value of the outermost object
  kValueEnd,    // the last byte of one (not of a number, whose end only the next byte shows)
  kDone,        // the object's last byte
  kBad          // no JSON, or nested too deeply; nothing may be pushed any more
};

class JsonScan {
 public:
  // Further than that no client's arguments are read either.
  static constexpr size_t kMostDepth = 40;

  // The first byte must be '{'.
  JsonStep push(char c);

 private:
  enum class Expects : uint8_t {
    kObject,    // the first byte
    kKeyOrEnd,  // after '{'
    kKey,       // after ',' in an object
    kColon,
    kValue,
    kValueOrEnd,  // after '['
    kCommaOrEnd,
    kStringRest,
    kEscaped,
    kHexDigit,
    kNumberRest,
    kWordRest,
    kNothing
  };
  // The parts of a number, after RFC 8259.
  enum class Number : uint8_t { kMinus, kZero, kInteger, kPoint, kFraction, kE, kSign, kExponent };

  JsonStep begin_value(char c);
  JsonStep end_value();
  JsonStep close(char bracket);
  JsonStep string_byte(char c);
  JsonStep number_byte(char c);
  [[nodiscard]] bool is_outermost() const { return open_.size() == 1; }

  Expects expects_ = Expects::kObject;
  Number number_ = Number::kMinus;
  bool in_key_ = false;
  int hex_digits_ = 0;          // still to come
  std::string_view word_rest_;  // of true, false, null
  std::string open_;            // brackets
};

}  // namespace cairn
