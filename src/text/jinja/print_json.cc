#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/print.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

class JsonPrinter {
 public:
  explicit JsonPrinter(const JsonStyle& style) : style_(style) {}

  Status append(const Value& value, int level) {
    if (value.is_none()) {
      out += "null";
    } else if (const auto* b = value.get_if<bool>()) {
      out += *b ? "true" : "false";
    } else if (const auto* i = value.get_if<int64_t>()) {
      out += std::to_string(*i);
    } else if (const auto* d = value.get_if<double>()) {
      append_float(*d);
    } else if (const std::string* s = value.text()) {
      append_string(*s);
    } else if (const Dict* dict = value.as_dict()) {
      return append_dict(*dict, level);
    } else if (const Sequence* sequence = value.as_sequence();
               sequence != nullptr &&
               (sequence->kind == SequenceKind::kList || sequence->kind == SequenceKind::kTuple)) {
      return append_list(*sequence, level);
    } else {
      return invalid_data(std::string("the filter 'tojson' cannot write a value of type ") +
                          value.type_name());
    }
    return {};
  }

  std::string out;

 private:
  void append_float(double d) {
    out += std::isnan(d) ? "NaN" : std::isinf(d) ? (d < 0 ? "-Infinity" : "Infinity") : float_text(d);
  }

  void append_escape(uint32_t unit) { out += fmt::format("\\u{:04x}", unit); }

  void append_string(std::string_view text) {
    out += '"';
    while (!text.empty()) {
      const Character c = first_character(text);
      append_character(c.code, text.substr(0, c.bytes));
      text.remove_prefix(c.bytes);
    }
    out += '"';
  }

  void append_character(uint32_t code, std::string_view bytes) {
    switch (code) {
      case '"': out += "\\\""; return;
      case '\\': out += "\\\\"; return;
      case '\n': out += "\\n"; return;
      case '\r': out += "\\r"; return;
      case '\t': out += "\\t"; return;
      case '\b': out += "\\b"; return;
      case '\f': out += "\\f"; return;
      default: break;
    }
    if (code < 0x20 || (style_.ensure_ascii && code >= 0x7F && code < 0x10000)) {
      append_escape(code);
    } else if (style_.ensure_ascii && code >= 0x10000) {
      append_escape(0xD800 + ((code - 0x10000) >> 10));
      append_escape(0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      out += bytes;
    }
  }

  void new_line(int level) {
    if (style_.indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(style_.indent) * static_cast<std::size_t>(level), ' ');
  }

  Status append_list(const Sequence& sequence, int level) {
    if (sequence.items.empty()) {
      out += "[]";
      return {};
    }
    out += '[';
    bool first = true;
    for (const Value& item : sequence.items) {
      if (!first) out += style_.item_separator;
      first = false;
      new_line(level + 1);
      CAIRN_RETURN_IF_ERROR(append(item, level + 1));
    }
    new_line(level);
    out += ']';
    return {};
  }

  Status append_dict(const Dict& dict, int level) {
    if (dict.entries.empty()) {
      out += "{}";
      return {};
    }
    std::vector<const std::pair<Value, Value>*> order;
    for (const auto& entry : dict.entries) order.push_back(&entry);
    if (style_.sort_keys) CAIRN_RETURN_IF_ERROR(sort_by_key(&order));
    out += '{';
    bool first = true;
    for (const auto* entry : order) {
      if (!first) out += style_.item_separator;
      first = false;
      new_line(level + 1);
      CAIRN_RETURN_IF_ERROR(append_key(entry->first));
      out += style_.key_separator;
      CAIRN_RETURN_IF_ERROR(append(entry->second, level + 1));
    }
    new_line(level);
    out += '}';
    return {};
  }

  static Status sort_by_key(std::vector<const std::pair<Value, Value>*>* order) {
    for (const auto* entry : *order) {
      if (!entry->first.is_string()) {
        return unsupported("tojson with sort_keys works on dicts whose keys are all strings");
      }
    }
    std::sort(order->begin(), order->end(),
              [](const auto* a, const auto* b) { return *a->first.text() < *b->first.text(); });
    return {};
  }

  Status append_key(const Value& key) {
    if (const std::string* s = key.text()) {
      append_string(*s);
      return {};
    }
    if (key.as_sequence() != nullptr) return invalid_data("a tuple cannot be a key in JSON");
    out += '"';
    CAIRN_RETURN_IF_ERROR(append(key, 0));
    out += '"';
    return {};
  }

  const JsonStyle& style_;
};

}  // namespace

Result<std::string> print_json(const Value& value, const JsonStyle& style) {
  JsonPrinter printer(style);
  CAIRN_RETURN_IF_ERROR(printer.append(value, 0));
  return std::move(printer.out);
}

}  // namespace cairn::jinja
