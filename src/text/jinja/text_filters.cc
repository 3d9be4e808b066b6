#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/format.h"
#include "text/jinja/methods.h"
#include "text/jinja/print.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

// The input of a filter on text: any value, printed.
Result<std::string> printed(Budget& budget, const Value& value) {
  CAIRN_RETURN_IF_ERROR(budget.allocate(value.weight() * 32));
  return print(value);
}

template <std::string (*Change)(std::string_view)>
Result<Value> changed(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(Bound::bind("a filter on text", arguments, {}).status());
  CAIRN_ASSIGN_OR_RETURN(const std::string text, printed(budget, subject));
  return Value::string(Change(text));
}

std::string unchanged(std::string_view text) { return std::string(text); }

// Words start after space, '-' and opening brackets.
std::string title_filter(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t start = 0;
    const auto separates = [&](std::size_t at) {
      const Character c = first_character(text.substr(at));
      return c.code == '-' || c.code == '(' || c.code == '{' || c.code == '[' || c.code == '<' ||
             is_space(c.code);
    };
    while (start < text.size() && separates(start)) start += first_character(text.substr(start)).bytes;
    std::size_t end = start;
    while (end < text.size() && !separates(end)) end += first_character(text.substr(end)).bytes;
    out += text.substr(0, start);
    const std::string_view word = text.substr(start, end - start);
    if (!word.empty()) {
      const std::size_t first = first_character(word).bytes;
      out += to_upper(word.substr(0, first)) + to_lower(word.substr(first));
    }
    text.remove_prefix(end);
  }
  return out;
}

Result<Value> trim(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("the filter 'trim'", arguments, {"chars"}));
  CAIRN_ASSIGN_OR_RETURN(const std::string text, printed(budget, subject));
  if (!bound.has(0)) return Value::string(std::string(strip_space(text, Side::kBoth)));
  CAIRN_ASSIGN_OR_RETURN(const std::string characters, bound.text(0, ""));
  return Value::string(std::string(strip_characters(text, characters, Side::kBoth)));
}

Result<Value> replace(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::bind("the filter 'replace'", arguments, {"old", "new", "count"}, 2));
  CAIRN_ASSIGN_OR_RETURN(const std::string text, printed(budget, subject));
  CAIRN_ASSIGN_OR_RETURN(const std::string from, printed(budget, bound[0]));
  CAIRN_ASSIGN_OR_RETURN(const std::string to, printed(budget, bound[1]));
  CAIRN_ASSIGN_OR_RETURN(const int64_t count, bound.integer(2, -1));
  return replace_text(budget, text, from, to, count);
}

Result<Value> indent(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::bind("the filter 'indent'", arguments, {"width", "first", "blank"}));
  CAIRN_ASSIGN_OR_RETURN(const std::string text, printed(budget, subject));
  std::string margin = "    ";
  if (bound[0].is_string()) {
    margin = *bound[0].text();
  } else {
    CAIRN_ASSIGN_OR_RETURN(const int64_t width, bound.integer(0, 4));
    if (width > 1000) return invalid_data("the filter 'indent' indents by 1000 at most");
    margin.assign(static_cast<std::size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  std::string out = bound.truth(1) ? margin : "";
  const auto lines = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
  CAIRN_RETURN_IF_ERROR(budget.allocate(margin.size() * (lines + 1)));
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    const bool blank = i + 1 == text.size() || text[i + 1] == '\n';
    if (text[i] == '\n' && (!blank || bound.truth(2))) out += margin;
  }
  return Value::string(std::move(out));
}

Result<Value> to_json(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::bind("the filter 'tojson'", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensure_ascii = bound.truth(0);
  style.sort_keys = bound.truth(3);
  if (bound.has(1)) {
    CAIRN_ASSIGN_OR_RETURN(const int64_t indent_width, bound.integer(1, 0));
    if (indent_width > 32) return invalid_data("the filter 'tojson' indents by 32 at most");
    style.indent = static_cast<int>(std::max<int64_t>(indent_width, 0));
    style.item_separator = ",";
  }
  if (bound.has(2)) {
    const Sequence* pair = bound[2].as_sequence();
    if (pair == nullptr || pair->items.size() != 2 || !pair->items[0].is_string() ||
        !pair->items[1].is_string() || pair->items[0].text()->size() + pair->items[1].text()->size() > 32) {
      return invalid_data("the filter 'tojson' needs two short strings as separators");
    }
    style.item_separator = *pair->items[0].text();
    style.key_separator = *pair->items[1].text();
  }
  const auto margin =
      static_cast<uint64_t>(std::max(style.indent, 0)) * static_cast<uint64_t>(subject.depth() + 1);
  CAIRN_RETURN_IF_ERROR(budget.allocate(subject.weight() * (64 + margin)));
  CAIRN_ASSIGN_OR_RETURN(std::string text, print_json(subject, style));
  return Value::string(std::move(text));
}

Result<Value> format(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const std::string text, printed(budget, subject));
  if (arguments.named.empty()) {
    CAIRN_ASSIGN_OR_RETURN(const Value values, Value::sequence(SequenceKind::kTuple, arguments.positional));
    return format_percent(budget, text, values);
  }
  if (!arguments.positional.empty())
    return invalid_data("the filter 'format' takes values with names or without");
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [name, value] : arguments.named) entries.emplace_back(Value::string(name), value);
  CAIRN_ASSIGN_OR_RETURN(const Value values, Value::dict(std::move(entries)));
  return format_percent(budget, text, values);
}

Result<Value> center(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("the filter 'center'", arguments, {"width"}));
  CAIRN_ASSIGN_OR_RETURN(const int64_t width, bound.integer(0, 80));
  CAIRN_ASSIGN_OR_RETURN(const std::string text, printed(budget, subject));
  return call_string_method(budget, text, "center", {.positional = {Value::integer(width)}});
}

constexpr NamedFilter kFilters[] = {
    {"capitalize", changed<capitalize>},
    {"center", center},
    {"format", format},
    {"indent", indent},
    {"lower", changed<to_lower>},
    {"replace", replace},
    {"safe", changed<unchanged>},  // nothing is escaped here, so there is nothing to prevent
    {"string", changed<unchanged>},
    {"title", changed<title_filter>},
    {"tojson", to_json},
    {"trim", trim},
    {"upper", changed<to_upper>},
};

}  // namespace

Filter find_text_filter(std::string_view name) {
  const auto at = std::find_if(std::begin(kFilters), std::end(kFilters),
                               [&](const NamedFilter& filter) { return filter.name == name; });
  return at == std::end(kFilters) ? nullptr : at->apply;
}

}  // namespace cairn::jinja
