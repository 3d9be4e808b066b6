#include "text/tokenizer/pre_tokenizer.h"

#include "base/utf8.h"
#include "text/tokenizer/unicode.h"

namespace cairn {
namespace {

struct Span {
  size_t begin, end;
  bool match;
};

void add_span(std::vector<Span>& spans, Span span) {
  if (span.begin < span.end) spans.push_back(span);
}

Status find_spans(std::string_view text, std::string_view literal, std::vector<Span>& spans) {
  size_t at = 0;
  for (size_t hit = text.find(literal); hit != std::string_view::npos; hit = text.find(literal, at)) {
    add_span(spans, {at, hit, false});
    at = hit + literal.size();
    spans.push_back({hit, at, true});
  }
  add_span(spans, {at, text.size(), false});
  return {};
}

Status find_spans(std::string_view text, Regex::Matcher& matcher, std::vector<Span>& spans) {
  size_t at = 0;
  while (at < text.size()) {
    CAIRN_ASSIGN_OR_RETURN(const auto match, matcher.find(text, at));
    if (!match) break;
    add_span(spans, {at, match->begin, false});
    spans.push_back({match->begin, match->end, true});
    at = match->end;
  }
  add_span(spans, {at, text.size(), false});
  return {};
}

void find_digit_spans(std::string_view text, std::vector<Span>& spans) {
  size_t gap = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t next = at + utf8_length(text[at]);
    if (is_number(utf8_at(text, at))) {
      add_span(spans, {gap, at, false});
      spans.push_back({at, next, true});
      gap = next;
    }
    at = next;
  }
  add_span(spans, {gap, text.size(), false});
}

// Joins neighbouring spans as `behavior` says.
void join_spans(std::vector<Span>& spans, SplitBehavior behavior) {
  std::vector<Span> out;
  bool previous_match = false;
  switch (behavior) {
    case SplitBehavior::kIsolated: return;
    case SplitBehavior::kRemoved: std::erase_if(spans, [](const Span& s) { return s.match; }); return;
    case SplitBehavior::kContiguous:
      for (const Span& span : spans) {
        if (!out.empty() && span.match == previous_match) {
          out.back().end = span.end;
        } else {
          out.push_back(span);
        }
        previous_match = span.match;
      }
      break;
    case SplitBehavior::kMergedWithPrevious:
      for (const Span& span : spans) {
        if (span.match && !previous_match && !out.empty()) {
          out.back().end = span.end;
        } else {
          out.push_back(span);
        }
        previous_match = span.match;
      }
      break;
    case SplitBehavior::kMergedWithNext:
      for (size_t i = 0; i < spans.size(); ++i) {
        out.push_back(spans[i]);
        const bool joins = spans[i].match && i + 1 < spans.size() && !spans[i + 1].match;
        if (joins) out.back().end = spans[++i].end;
      }
      break;
  }
  spans = std::move(out);
}

void add_words(const Word& word, const std::vector<Span>& spans, std::vector<Word>& out) {
  for (const Span& span : spans) {
    out.push_back({word.text.substr(span.begin, span.end - span.begin), word.at_start && span.begin == 0});
  }
}

Status apply_step(const SplitStep& step, Words& words) {
  std::vector<Word> out;
  std::vector<Span> spans;
  std::optional<Regex::Matcher> matcher;
  if (const auto* regex = std::get_if<Regex>(&step.pattern)) matcher.emplace(*regex);
  for (const Word& word : words.words) {
    spans.clear();
    if (matcher) {
      CAIRN_RETURN_IF_ERROR(find_spans(word.text, *matcher, spans));
    } else {
      CAIRN_RETURN_IF_ERROR(find_spans(word.text, std::get<std::string>(step.pattern), spans));
    }
    for (Span& span : spans) span.match = span.match != step.invert;
    join_spans(spans, step.behavior);
    add_words(word, spans, out);
  }
  words.words = std::move(out);
  return {};
}

Status apply_step(const DigitsStep& step, Words& words) {
  std::vector<Word> out;
  std::vector<Span> spans;
  for (const Word& word : words.words) {
    spans.clear();
    find_digit_spans(word.text, spans);
    join_spans(spans, step.individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
    add_words(word, spans, out);
  }
  words.words = std::move(out);
  return {};
}

Status apply_step(const PrefixSpaceStep&, Words& words) {
  for (Word& word : words.words) {
    if (word.text.starts_with(' ')) continue;
    words.made.push_back(" " + std::string(word.text));
    word.text = words.made.back();
  }
  return {};
}

std::string metaspaced(const MetaspaceStep& step, const Word& word) {
  std::string text;
  for (const char c : word.text) {
    if (c == ' ') {
      text += step.replacement;
    } else {
      text += c;
    }
  }
  const bool wanted =
      step.scheme == PrependScheme::kAlways || (step.scheme == PrependScheme::kFirst && word.at_start);
  if (wanted && !text.starts_with(step.replacement)) text.insert(0, step.replacement);
  return text;
}

Status apply_step(const MetaspaceStep& step, Words& words) {
  std::vector<Word> out;
  std::vector<Span> spans;
  for (const Word& word : words.words) {
    words.made.push_back(metaspaced(step, word));
    const Word made{words.made.back(), word.at_start};
    spans.clear();
    if (step.split) {
      CAIRN_RETURN_IF_ERROR(find_spans(made.text, step.replacement, spans));
      join_spans(spans, SplitBehavior::kMergedWithNext);
    } else {
      add_span(spans, {0, made.text.size(), false});
    }
    add_words(made, spans, out);
  }
  words.words = std::move(out);
  return {};
}

}  // namespace

Status PreTokenizer::apply(Words& words) const {
  for (const PreTokenizeStep& step : steps_) {
    CAIRN_RETURN_IF_ERROR(std::visit([&](const auto& s) { return apply_step(s, words); }, step));
  }
  return {};
}

}  // namespace cairn
