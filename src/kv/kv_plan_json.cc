// KvPlan::parse_json: the JSON forms of kv/kv_plan.h. Strings in them are read by KvPlan::Parser, so that
// there is one grammar.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>
#include <exception>
#include <new>

#include "base/printable.h"
#include "kv/kv_plan_parser.h"

namespace cairn {
namespace {

namespace json = boost::json;

constexpr std::string_view kForms =
    "a plan is a string, {\"plan\": ...}, or a list of rules like {\"layers\": \"0-3\", \"codec\": \"f16\"}";

Status not_json(std::string_view text, size_t at, const std::string& message) {
  const std::string_view before = text.substr(0, std::min(at, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  return invalid_argument(fmt::format("KV plan, line {}: not valid JSON: {}", line, message));
}

Result<json::value> parse_value(std::string_view text) {
  if (text.size() > kKvPlanBytesMax) {
    return invalid_argument(
        fmt::format("KV plan has {} bytes of JSON; at most {} are read", text.size(), kKvPlanBytesMax));
  }
  try {
    json::parse_options options;
    options.max_depth = 4;
    json::parser parser({}, options);
    json::error_code error;
    const size_t parsed = parser.write_some(text.data(), text.size(), error);
    if (error) return not_json(text, parsed, error.message());
    const size_t more = text.find_first_not_of(" \t\r\n", parsed);
    if (more != std::string_view::npos) return not_json(text, more, "something follows the plan");
    return parser.release();
  } catch (const std::bad_alloc&) {
    return resource_exhausted("no memory for the KV plan's JSON");
  } catch (const std::exception& e) {  // Boost's own limits
    return invalid_argument("KV plan: cannot be read as JSON: " + printable(e.what()));
  }
}

Result<std::string_view> string_of(const json::value& value, const std::string& where) {
  if (value.is_string()) return std::string_view(value.get_string());
  return invalid_argument(where + ": a string is expected");
}

}  // namespace

class KvPlan::JsonReader {
 public:
  static Result<std::vector<Rule>> plan(const json::value& value, std::string_view where) {
    if (value.is_string()) return Parser(value.get_string(), where).whole_plan();
    if (!value.is_array()) return invalid_argument(fmt::format("{}: {}", where, kForms));
    if (value.get_array().empty()) {
      return invalid_argument(fmt::format("{}: the list is empty; {}", where, kForms));
    }
    std::vector<Rule> rules;
    for (const json::value& element : value.get_array()) {
      const std::string place = fmt::format("{}, rule {}", where, rules.size() + 1);
      if (!element.is_object()) return invalid_argument(fmt::format("{}: not an object; {}", place, kForms));
      CAIRN_ASSIGN_OR_RETURN(rules.emplace_back(), rule(element.get_object(), place));
    }
    return rules;
  }

 private:
  static Result<Rule> rule(const json::object& object, const std::string& where) {
    constexpr std::array<std::string_view, 6> kMembers{"layers", "codec", "k", "v", "sinks", "window"};
    for (const auto& [key, value] : object) {
      if (std::ranges::find(kMembers, std::string_view(key)) != kMembers.end()) continue;
      return invalid_argument(
          fmt::format("{}: \"{}\" is not a member of a rule; there are layers, codec, k, v, sinks and window",
                      where, printable(key)));
    }
    Rule rule;
    if (const json::value* layers = object.if_contains("layers")) {
      CAIRN_ASSIGN_OR_RETURN(rule, selector(*layers, where + ", \"layers\""));
    }
    CAIRN_ASSIGN_OR_RETURN(rule.retention, retention(object, where));
    CAIRN_ASSIGN_OR_RETURN(rule.codecs, codecs(object, where));
    return rule;
  }

  static Result<Rule> selector(const json::value& layers, const std::string& where) {
    if (layers.is_int64()) return Parser(std::to_string(layers.get_int64()), where).whole_selector();
    CAIRN_ASSIGN_OR_RETURN(const std::string_view text, string_of(layers, where));
    return Parser(text, where).whole_selector();
  }

  static Result<Choices> codecs(const json::object& object, const std::string& where) {
    const json::value* both = object.if_contains("codec");
    const json::value* keys = object.if_contains("k");
    const json::value* values = object.if_contains("v");
    const bool is_window_alone =
        both == nullptr && keys == nullptr && values == nullptr && object.contains("window");
    if (is_window_alone) return Choices{};
    const bool is_apart = keys != nullptr && values != nullptr && both == nullptr;
    const bool is_both = both != nullptr && keys == nullptr && values == nullptr;
    if (!is_apart && !is_both) {
      return invalid_argument(
          where +
          ": either \"codec\", or \"k\" and \"v\" are expected, or \"window\" alone, which keeps f16");
    }
    if (is_both) {
      CAIRN_ASSIGN_OR_RETURN(const std::string_view text, string_of(*both, where + ", \"codec\""));
      return Parser(text, where + ", \"codec\"").whole_codecs();
    }
    Choices codecs;
    CAIRN_ASSIGN_OR_RETURN(codecs.keys, side(*keys, where + ", \"k\""));
    CAIRN_ASSIGN_OR_RETURN(codecs.values, side(*values, where + ", \"v\""));
    return codecs;
  }

  static Result<Choice> side(const json::value& value, const std::string& where) {
    CAIRN_ASSIGN_OR_RETURN(const std::string_view text, string_of(value, where));
    return Parser(text, where).whole_codec();
  }

  static Result<Visibility> retention(const json::object& object, const std::string& where) {
    const json::value* sinks = object.if_contains("sinks");
    const json::value* window = object.if_contains("window");
    Visibility retention;
    if (window != nullptr) {
      CAIRN_ASSIGN_OR_RETURN(retention.window, positions(*window, kKvWindowLimits, where + ", \"window\""));
    }
    if (sinks == nullptr) return retention;
    if (window == nullptr) {
      return invalid_argument(where +
                              ": sinks need a window beside them, as in {\"sinks\": 4, \"window\": 1024}");
    }
    CAIRN_ASSIGN_OR_RETURN(retention.sinks, positions(*sinks, kKvSinkLimits, where + ", \"sinks\""));
    return retention;
  }

  static Result<int64_t> positions(const json::value& value, const KvRetentionLimits& limits,
                                   const std::string& where) {
    if (value.is_int64() && limits.allow(value.get_int64())) return value.get_int64();
    return invalid_argument(fmt::format("{}: {} is expected", where, limits.text()));
  }
};

Result<KvPlan> KvPlan::parse_json(std::string_view text) {
  CAIRN_ASSIGN_OR_RETURN(const json::value value, parse_value(text));
  const json::value* body = &value;
  if (const json::object* object = value.if_object()) {
    body = object->if_contains("plan");
    if (body == nullptr || object->size() != 1) return invalid_argument(fmt::format("KV plan: {}", kForms));
  }
  CAIRN_ASSIGN_OR_RETURN(std::vector<Rule> rules, JsonReader::plan(*body, "KV plan"));
  KvPlan plan;
  plan.rules_ = std::move(rules);
  return plan;
}

Result<KvPlan> KvPlan::parse_text_or_json(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json =
      first != std::string_view::npos && (text[first] == '[' || text[first] == '{' || text[first] == '"');
  return is_json ? parse_json(text) : parse(text);
}

}  // namespace cairn
