// JSON written straight into a string: what a stream sends for each token must cost little more than its bytes.
// Whole documents are made with it too, where boost::json::value would copy long texts. For the writers of
// server/openai/ and server/ollama/.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/openai/error.h"

namespace cairn {

// Appends `text` in quotes. Bytes that are no UTF-8 become U+FFFD, so that the document is valid whatever comes.
void append_json_string(std::string& out, std::string_view text);
// The shortest text that reads back as the same number; what JSON has no word for (NaN, infinities) is written as the
// finite number next to it, NaN as null.
void append_json_number(std::string& out, double number);
void append_json_value(std::string& out, const boost::json::value& value);
// The bytes as numbers: [72,105].
void append_json_bytes(std::string& out, std::string_view bytes);
// {"error":{...}} in OpenAI's form.
void append_error(std::string& out, const ApiError& error);

// Appends values one after the other and puts the commas between them.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(&out) {}

  JsonWriter& open(char bracket);   // '{' or '['
  JsonWriter& close(char bracket);  // '}' or ']'
  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& integer(int64_t value);
  JsonWriter& number(double value);
  JsonWriter& flag(bool value);  // NOLINT: a value, not a choice
  JsonWriter& null();
  JsonWriter& value(const boost::json::value& value);
  JsonWriter& bytes(std::string_view value);
  // `json` is a whole JSON value.
  JsonWriter& raw(std::string_view json);

  // key() and a value.
  JsonWriter& text(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonWriter& integer(std::string_view name, int64_t value) { return key(name).integer(value); }
  // Null where it is empty.
  JsonWriter& text_or_null(std::string_view name, std::string_view value) {
    return value.empty() ? key(name).null() : key(name).text(value);
  }

 private:
  void separate();

  std::string* out_;
  bool needs_comma_ = false;
};

}  // namespace cairn
