#include "cli/chat_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/printable.h"
#include "cli/option_values.h"

namespace cairn {
namespace {

constexpr std::string_view kNone = "none";

template <typename Number>
Result<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return invalid_argument(fmt::format("'{}' is no number, or too large", printable(text)));
}

template <typename Number>
Status set_number(std::string_view text, Number& to) {
  CAIRN_ASSIGN_OR_RETURN(to, parse_number<Number>(text));
  return {};
}

// "none": absent.
template <typename Number>
Status set_optional(std::string_view text, std::optional<Number>& to) {
  if (text == kNone) {
    to.reset();
    return {};
  }
  CAIRN_ASSIGN_OR_RETURN(to, parse_number<Number>(text));
  return {};
}

template <typename Number>
std::string show_optional(const std::optional<Number>& value) {
  return value.has_value() ? fmt::format("{}", *value) : std::string(kNone);
}

Status set_max_tokens(std::string_view text, ChatSettings& settings) {
  std::optional<int64_t> count;
  CAIRN_RETURN_IF_ERROR(set_optional(text, count));
  if (count.has_value() && *count < 1)
    return invalid_argument("a reply has at least one token, or `none` as its limit");
  settings.max_tokens = count;
  return {};
}

Status set_switch(std::string_view text, bool& to) {
  if (text != "on" && text != "off")
    return invalid_argument(fmt::format("'{}' is neither on nor off", printable(text)));
  to = text == "on";
  return {};
}

struct Setting {
  std::string_view name;
  Status (*set)(std::string_view text, ChatSettings& settings);
  std::string (*show)(const ChatSettings& settings);
};

// One of the numbers of SamplingOptions.
template <auto kMember>
constexpr Setting sampling_number(std::string_view name) {
  return {name, [](std::string_view text, ChatSettings& s) { return set_number(text, s.sampling.*kMember); },
          [](const ChatSettings& s) { return fmt::format("{}", s.sampling.*kMember); }};
}

constexpr std::array<Setting, 11> kSettings{{
    sampling_number<&SamplingOptions::temperature>("temp"),
    sampling_number<&SamplingOptions::top_k>("top-k"),
    sampling_number<&SamplingOptions::top_p>("top-p"),
    sampling_number<&SamplingOptions::min_p>("min-p"),
    sampling_number<&SamplingOptions::repeat_penalty>("repeat-penalty"),
    sampling_number<&SamplingOptions::frequency_penalty>("frequency-penalty"),
    sampling_number<&SamplingOptions::presence_penalty>("presence-penalty"),
    {"seed", [](std::string_view text, ChatSettings& s) { return set_optional(text, s.sampling.seed); },
     [](const ChatSettings& s) { return show_optional(s.sampling.seed); }},
    {"max-tokens", set_max_tokens, [](const ChatSettings& s) { return show_optional(s.max_tokens); }},
    {"when-full",
     [](std::string_view text, ChatSettings& s) -> Status {
       CAIRN_ASSIGN_OR_RETURN(s.when_full, parse_when_full(text));
       return {};
     },
     [](const ChatSettings& s) { return std::string(s.when_full == WhenFull::kStop ? "stop" : "drop"); }},
    {"statistics",
     [](std::string_view text, ChatSettings& s) { return set_switch(text, s.shows_statistics); },
     [](const ChatSettings& s) { return std::string(s.shows_statistics ? "on" : "off"); }},
}};

Status no_such_setting(std::string_view name) {
  std::vector<std::string> names;
  for (const Setting& each : kSettings) names.emplace_back(each.name);
  std::string message = fmt::format("there is no setting {}", printable(name));
  if (const auto nearest = nearest_name(name, names)) message += fmt::format("; did you mean {}?", *nearest);
  return invalid_argument(message + fmt::format(" (there are {}, and template-var)", fmt::join(names, ", ")));
}

}  // namespace

Result<WhenFull> parse_when_full(std::string_view name) {
  if (name == "drop") return WhenFull::kDropOldest;
  if (name == "stop") return WhenFull::kStop;
  return invalid_argument(fmt::format(
      "'{}' is neither drop (the oldest turns go) nor stop (the turn is refused)", printable(name)));
}

// The command line's spellings are understood too.
std::string_view setting_of_flag(std::string_view flag) {
  const std::string_view name = flag.substr(std::min(flag.find_first_not_of('-'), flag.size()));
  if (name == "n") return "max-tokens";
  if (name == "temperature") return "temp";
  return name;
}

Status change_setting(std::string_view text, const std::function<Status(const SamplingOptions&)>& check,
                      ChatSettings& settings) {
  constexpr std::string_view kBetween = " \t=";
  const std::string_view typed = text.substr(0, text.find_first_of(kBetween));
  const std::string_view name = setting_of_flag(typed);
  const std::string_view rest = text.substr(typed.size());
  const std::string_view value = rest.substr(std::min(rest.find_first_not_of(kBetween), rest.size()));
  const auto* known = std::ranges::find(kSettings, name, &Setting::name);
  if (known == kSettings.end()) return no_such_setting(name);
  if (value.empty())
    return invalid_argument(
        fmt::format("{} is {}; /set {} VALUE changes it", name, known->show(settings), name));
  ChatSettings changed = settings;
  CAIRN_RETURN_IF_ERROR(known->set(value, changed));
  CAIRN_RETURN_IF_ERROR(check(changed.sampling));
  settings = std::move(changed);
  return {};
}

std::string describe_settings(const ChatSettings& settings) {
  std::string text;
  for (const Setting& each : kSettings) text += fmt::format("  {:18} {}\n", each.name, each.show(settings));
  return text;
}

}  // namespace cairn
