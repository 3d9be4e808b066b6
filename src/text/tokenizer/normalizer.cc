#include "text/tokenizer/normalizer.h"

#include <algorithm>

#include "base/utf8.h"

namespace cairn {
namespace {

// A step may lengthen a text; the result must still fit in 31 bits of length.
constexpr size_t kMaxNormalizedBytes = size_t{1} << 31;

Result<std::string> apply_step(const PrependStep& step, std::string text) {
  return text.empty() ? text : step.text + text;
}

Result<std::string> apply_step(const ReplaceStep& step, std::string text) {
  std::string out;
  size_t at = 0;
  const auto replace = [&](size_t begin, size_t end) {
    out.append(text, at, begin - at).append(step.content);
    at = end;
  };
  if (const auto* literal = std::get_if<std::string>(&step.pattern)) {
    for (size_t hit = text.find(*literal); hit != std::string::npos; hit = text.find(*literal, at)) {
      replace(hit, hit + literal->size());
      if (out.size() > kMaxNormalizedBytes) break;
    }
  } else {
    Regex::Matcher matcher(std::get<Regex>(step.pattern));
    while (at < text.size() && out.size() <= kMaxNormalizedBytes) {
      CAIRN_ASSIGN_OR_RETURN(const auto match, matcher.find(text, at));
      if (!match) break;
      replace(match->begin, match->end);
    }
  }
  return out.append(text, at);
}

Result<std::string> apply_step(const FormStep& step, std::string text) { return normalize(text, step.form); }

Result<std::string> apply_step(const LowercaseStep&, std::string text) { return lowercase(text); }

Result<std::string> apply_step(const StripStep& step, std::string text) {
  size_t begin = 0;
  size_t end = text.size();
  while (step.left && begin < end && is_white_space(utf8_at(text, begin))) begin += utf8_length(text[begin]);
  while (step.right && end > begin) {
    const size_t last = utf8_before(text, end);
    if (!is_white_space(utf8_at(text, last))) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

Result<std::string> apply_step(const CollapseSpacesStep&, std::string text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

Result<std::string> Normalizer::apply(std::string_view valid_utf8) const {
  std::string text(valid_utf8);
  for (const NormalizeStep& step : steps_) {
    auto next = std::visit([&](const auto& s) { return apply_step(s, std::move(text)); }, step);
    if (!next.ok()) return next.status();
    text = std::move(next).value();
    if (text.size() >= kMaxNormalizedBytes) {
      return invalid_argument("the text is longer than 2 GiB once it is normalized: shorten it");
    }
  }
  return text;
}

}  // namespace cairn
