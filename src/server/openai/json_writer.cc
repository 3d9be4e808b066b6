#include "server/openai/json_writer.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/serializer.hpp>
#include <cmath>
#include <limits>

#include "base/utf8.h"

namespace cairn {
namespace {

void append_escaped(std::string& out, std::string_view valid) {
  constexpr std::string_view kHex = "0123456789abcdef";
  size_t start = 0;
  for (size_t i = 0; i < valid.size(); ++i) {
    const auto byte = static_cast<unsigned char>(valid[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7F) continue;
    out.append(valid, start, i - start);
    start = i + 1;
    out.push_back('\\');
    switch (byte) {
      case '"': out.push_back('"'); break;
      case '\\': out.push_back('\\'); break;
      case '\n': out.push_back('n'); break;
      case '\r': out.push_back('r'); break;
      case '\t': out.push_back('t'); break;
      default:
        out.append("u00");
        out.push_back(kHex[byte >> 4]);
        out.push_back(kHex[byte & 15]);
    }
  }
  out.append(valid, start);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  if (!find_invalid_utf8(text).has_value()) {
    append_escaped(out, text);
  } else {
    std::string valid;
    std::string_view rest = text.substr(take_utf8(text, valid));
    if (!rest.empty()) append_utf8(valid, kReplacementCharacter);  // the start of a character that is cut off
    append_escaped(out, valid);
  }
  out.push_back('"');
}

void append_json_number(std::string& out, double number) {
  if (std::isnan(number)) {
    out.append("null");
    return;
  }
  constexpr double kMax = std::numeric_limits<double>::max();
  if (std::isinf(number)) number = number > 0 ? kMax : -kMax;
  fmt::format_to(std::back_inserter(out), "{}", number);
}

void append_json_value(std::string& out, const boost::json::value& value) {
  boost::json::serializer serializer;
  serializer.reset(&value);
  char buffer[4096];
  while (!serializer.done()) {
    const auto part = serializer.read(buffer);
    out.append(part.data(), part.size());
  }
}

void append_json_bytes(std::string& out, std::string_view bytes) {
  out.push_back('[');
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) out.push_back(',');
    fmt::format_to(std::back_inserter(out), "{}", static_cast<unsigned char>(bytes[i]));
  }
  out.push_back(']');
}

void append_error(std::string& out, const ApiError& error) {
  JsonWriter json(out);
  json.open('{').key("error").open('{');
  json.text("message", error.message).text("type", error.type);
  json.text_or_null("param", error.param).text_or_null("code", error.code);
  json.close('}').close('}');
}

void JsonWriter::separate() {
  if (needs_comma_) out_->push_back(',');
  needs_comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_->push_back(bracket);
  needs_comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::close(char bracket) {
  out_->push_back(bracket);
  needs_comma_ = true;
  return *this;
}
JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(*out_, name);
  out_->push_back(':');
  needs_comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::text(std::string_view value) {
  separate();
  append_json_string(*out_, value);
  return *this;
}
JsonWriter& JsonWriter::integer(int64_t value) {
  separate();
  fmt::format_to(std::back_inserter(*out_), "{}", value);
  return *this;
}
JsonWriter& JsonWriter::number(double value) {
  separate();
  append_json_number(*out_, value);
  return *this;
}
JsonWriter& JsonWriter::flag(bool value) {
  separate();
  out_->append(value ? "true" : "false");
  return *this;
}
JsonWriter& JsonWriter::null() {
  separate();
  out_->append("null");
  return *this;
}
JsonWriter& JsonWriter::value(const boost::json::value& value) {
  separate();
  append_json_value(*out_, value);
  return *this;
}
JsonWriter& JsonWriter::bytes(std::string_view value) {
  separate();
  append_json_bytes(*out_, value);
  return *this;
}
JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_->append(json);
  return *this;
}

}  // namespace cairn
