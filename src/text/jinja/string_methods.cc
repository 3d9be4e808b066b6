#include <algorithm>
#include <limits>

#include "text/jinja/format.h"
#include "text/jinja/methods.h"
#include "text/jinja/print.h"
#include "text/jinja/subscript.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

Value text_value(std::string_view text) { return Value::string(std::string(text)); }

Result<Value> strip(const std::string& self, std::string_view name, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(std::string(name) + "()", arguments, {"chars"}));
  const Side side = name == "lstrip" ? Side::kLeft : name == "rstrip" ? Side::kRight : Side::kBoth;
  if (!bound.has(0)) return text_value(strip_space(self, side));
  CAIRN_ASSIGN_OR_RETURN(const std::string characters, bound.text(0, ""));
  return text_value(strip_characters(self, characters, side));
}

// Even a part of one byte costs a Value and its string.
Status add_part(Budget& budget, std::string_view part, Items* parts) {
  CAIRN_RETURN_IF_ERROR(budget.allocate(sizeof(Value) + sizeof(std::string) + 32 + part.size()));
  parts->push_back(text_value(part));
  return {};
}

// Runs of space as separators, as in split() without an argument.
Result<Items> split_space(Budget& budget, std::string_view text, int64_t limit) {
  Items parts;
  text = strip_space(text, Side::kLeft);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      CAIRN_RETURN_IF_ERROR(add_part(budget, text, &parts));
      break;
    }
    std::size_t end = 0;
    while (end < text.size()) {
      const Character c = first_character(text.substr(end));
      if (is_space(c.code)) break;
      end += c.bytes;
    }
    CAIRN_RETURN_IF_ERROR(add_part(budget, text.substr(0, end), &parts));
    text = strip_space(text.substr(end), Side::kLeft);
  }
  return parts;
}

Result<Items> rsplit_space(Budget& budget, std::string_view text, int64_t limit) {
  Items parts;
  text = strip_space(text, Side::kRight);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      CAIRN_RETURN_IF_ERROR(add_part(budget, text, &parts));
      break;
    }
    std::size_t start = text.size();
    while (start > 0) {
      const Character c = last_character(text.substr(0, start));
      if (is_space(c.code)) break;
      start -= c.bytes;
    }
    CAIRN_RETURN_IF_ERROR(add_part(budget, text.substr(start), &parts));
    text = strip_space(text.substr(0, start), Side::kRight);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Result<Items> split_at(Budget& budget, std::string_view text, std::string_view separator, int64_t limit) {
  Items parts;
  std::size_t from = 0;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const std::size_t at = find_text(text, separator, from);
    if (at == std::string_view::npos) break;
    CAIRN_RETURN_IF_ERROR(add_part(budget, text.substr(from, at - from), &parts));
    from = at + separator.size();
  }
  CAIRN_RETURN_IF_ERROR(add_part(budget, text.substr(from), &parts));
  return parts;
}

Result<Items> rsplit_at(Budget& budget, std::string_view text, std::string_view separator, int64_t limit) {
  Items parts;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const std::size_t at = text.rfind(separator);
    if (at == std::string_view::npos) break;
    CAIRN_RETURN_IF_ERROR(add_part(budget, text.substr(at + separator.size()), &parts));
    text = text.substr(0, at);
  }
  CAIRN_RETURN_IF_ERROR(add_part(budget, text, &parts));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// rfind compares at every position: quadratic at worst, and charged so.
uint64_t backward_search_steps(std::string_view text, std::string_view needle) {
  return 1 + text.size() * (1 + std::min(needle.size(), text.size()) / 16);
}

Result<Value> split(Budget& budget, const std::string& self, std::string_view name,
                    const Arguments& arguments) {
  const std::string who = std::string(name) + "()";
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(who, arguments, {"sep", "maxsplit"}));
  CAIRN_ASSIGN_OR_RETURN(const int64_t limit, bound.integer(1, -1));
  const bool backward = name == "rsplit";
  if (!bound.has(0)) {
    CAIRN_ASSIGN_OR_RETURN(Items words,
                           backward ? rsplit_space(budget, self, limit) : split_space(budget, self, limit));
    return Value::sequence(SequenceKind::kList, std::move(words));
  }
  CAIRN_ASSIGN_OR_RETURN(const std::string separator, bound.text(0, ""));
  if (separator.empty()) return invalid_data(who + " has an empty separator");
  if (backward) CAIRN_RETURN_IF_ERROR(budget.spend(backward_search_steps(self, separator)));
  CAIRN_ASSIGN_OR_RETURN(Items parts, backward ? rsplit_at(budget, self, separator, limit)
                                               : split_at(budget, self, separator, limit));
  return Value::sequence(SequenceKind::kList, std::move(parts));
}

Result<Value> starts_or_ends(const std::string& self, std::string_view name, const Arguments& arguments) {
  const std::string who = std::string(name) + "()";
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(who, arguments, {"text"}, 1));
  const auto matches = [&](const std::string& part) {
    return name == "startswith" ? self.starts_with(part) : self.ends_with(part);
  };
  if (const std::string* part = bound[0].text()) return Value::boolean(matches(*part));
  const Sequence* parts = bound[0].as_sequence();
  if (parts != nullptr && parts->kind == SequenceKind::kTuple) {
    for (const Value& part : parts->items) {
      if (!part.is_string()) return invalid_data(who + " needs strings in its tuple");
      if (matches(*part.text())) return Value::boolean(true);
    }
    return Value::boolean(false);
  }
  return bound.text(0, "").status().ok() ? invalid_data(who + " needs a string") : bound.text(0, "").status();
}

Result<Value> find(Budget& budget, const std::string& self, std::string_view name,
                   const Arguments& arguments) {
  const std::string who = std::string(name) + "()";
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(who, arguments, {"text"}, 1));
  CAIRN_ASSIGN_OR_RETURN(const std::string needle, bound.text(0, ""));
  if (name == "count") {
    if (needle.empty()) return Value::integer(static_cast<int64_t>(count_characters(self)) + 1);
    int64_t count = 0;
    for (std::size_t at = find_text(self, needle, 0); at != std::string::npos; ++count) {
      at = find_text(self, needle, at + needle.size());
    }
    return Value::integer(count);
  }
  const bool is_backward = name.starts_with('r');
  if (is_backward) CAIRN_RETURN_IF_ERROR(budget.spend(backward_search_steps(self, needle)));
  const std::size_t at = is_backward ? self.rfind(needle) : find_text(self, needle, 0);
  if (at != std::string::npos) {
    return Value::integer(static_cast<int64_t>(count_characters(std::string_view(self).substr(0, at))));
  }
  if (name.ends_with("index")) return invalid_data(who + " does not find the text");
  return Value::integer(-1);
}

Result<Value> remove_affix(const std::string& self, std::string_view name, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(std::string(name) + "()", arguments, {"affix"}, 1));
  CAIRN_ASSIGN_OR_RETURN(const std::string affix, bound.text(0, ""));
  std::string_view text = self;
  if (name == "removeprefix" && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (name == "removesuffix" && text.ends_with(affix)) text.remove_suffix(affix.size());
  return text_value(text);
}

Result<Value> split_lines(Budget& budget, const std::string& self, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("splitlines()", arguments, {"keepends"}));
  Items lines;
  std::string_view rest = self;
  while (!rest.empty()) {
    std::size_t end = 0;
    std::size_t mark = 0;
    while (end < rest.size() && mark == 0) {
      const Character c = first_character(rest.substr(end));
      const bool ends_line = (c.code >= 0x0A && c.code <= 0x0D) || (c.code >= 0x1C && c.code <= 0x1E) ||
                             c.code == 0x85 || c.code == 0x2028 || c.code == 0x2029;
      if (!ends_line) {
        end += c.bytes;
      } else {
        mark = rest.substr(end).starts_with("\r\n") ? 2 : c.bytes;
      }
    }
    CAIRN_RETURN_IF_ERROR(add_part(budget, rest.substr(0, end + (bound.truth(0) ? mark : 0)), &lines));
    rest.remove_prefix(end + mark);
  }
  return Value::sequence(SequenceKind::kList, std::move(lines));
}

// isdigit(), isspace(), isupper(), islower(); ASCII digits only.
Result<Value> is_all(const std::string& self, std::string_view name) {
  if (name == "isupper") return Value::boolean(self == to_upper(self) && self != to_lower(self));
  if (name == "islower") return Value::boolean(self == to_lower(self) && self != to_upper(self));
  bool all = !self.empty();
  for (std::string_view rest = self; !rest.empty() && all;) {
    const Character c = first_character(rest);
    all = name == "isspace" ? is_space(c.code) : c.code >= '0' && c.code <= '9';
    rest.remove_prefix(c.bytes);
  }
  return Value::boolean(all);
}

}  // namespace

Result<Value> replace_text(Budget& budget, std::string_view text, std::string_view from, std::string_view to,
                           int64_t count) {
  const int64_t limit = count < 0 ? std::numeric_limits<int64_t>::max() : count;
  std::string out;
  std::size_t at = 0;
  CAIRN_RETURN_IF_ERROR(budget.allocate(text.size()));
  for (int64_t done = 0; done < limit; ++done) {
    const std::size_t found = find_text(text, from, at);
    if (found == std::string_view::npos) break;
    CAIRN_RETURN_IF_ERROR(budget.allocate(to.size() + 1));
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    if (!from.empty()) continue;
    if (at == text.size()) return Value::string(std::move(out));
    const std::size_t bytes = first_character(text.substr(at)).bytes;
    out += text.substr(at, bytes);  // an empty `from` matches before each character
    at += bytes;
  }
  out += text.substr(at);
  return Value::string(std::move(out));
}

Result<Value> join_texts(Budget& budget, std::string_view between, const Items& items) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(budget.allocate(between.size() + items[i].weight() * 32));
    CAIRN_ASSIGN_OR_RETURN(const std::string text, print(items[i]));
    if (i > 0) out += between;
    out += text;
  }
  return Value::string(std::move(out));
}

Result<Value> call_string_method(Budget& budget, const std::string& self, std::string_view name,
                                 const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(budget.allocate(self.size()));
  const std::string who = std::string(name) + "()";
  if (name == "format") return format_braces(budget, self, arguments);
  if (is_field_method(name)) return call_field_method(budget, self, name, arguments);
  if (name.ends_with("strip")) return strip(self, name, arguments);
  if (name == "split" || name == "rsplit") return split(budget, self, name, arguments);
  if (name == "startswith" || name == "endswith") return starts_or_ends(self, name, arguments);
  if (name == "find" || name == "rfind" || name == "index" || name == "rindex" || name == "count") {
    return find(budget, self, name, arguments);
  }
  if (name.starts_with("remove")) return remove_affix(self, name, arguments);
  if (name == "splitlines") return split_lines(budget, self, arguments);
  if (name == "replace") {
    CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(who, arguments, {"old", "new", "count"}, 2));
    CAIRN_ASSIGN_OR_RETURN(const std::string from, bound.text(0, ""));
    CAIRN_ASSIGN_OR_RETURN(const std::string to, bound.text(1, ""));
    CAIRN_ASSIGN_OR_RETURN(const int64_t count, bound.integer(2, -1));
    return replace_text(budget, self, from, to, count);
  }
  if (name == "join") {
    CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(who, arguments, {"items"}, 1));
    CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, bound[0]));
    for (const Value& item : items) {
      if (!item.is_string())
        return invalid_data("join() needs strings, not a value of type " + std::string(item.type_name()));
    }
    return join_texts(budget, self, items);
  }
  CAIRN_RETURN_IF_ERROR(Bound::bind(who, arguments, {}).status());
  if (name == "upper") return Value::string(to_upper(self));
  if (name == "lower") return Value::string(to_lower(self));
  if (name == "title") return Value::string(title_words(self));
  if (name == "capitalize") return Value::string(capitalize(self));
  return is_all(self, name);
}

}  // namespace cairn::jinja
