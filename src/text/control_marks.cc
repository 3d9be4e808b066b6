#include "text/control_marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "text/tokenizer/byte_trie.h"

namespace cairn {
namespace {

// Stands, twice around a number, for a control token's name. A character for private use, which no template touches;
// one that is typed is taken out.
constexpr std::string_view kMark = "\xF4\x8F\xBF\xBD";  // U+10FFFD

std::string mark_of(size_t index) { return fmt::format("{0}{1}{0}", kMark, index); }

// Calls text(part) and name(index) in the order in which they stand in `marked`.
template <typename Text, typename Name>
Status walk_marks(std::string_view marked, const Text& text, const Name& name) {
  while (true) {
    const size_t begin = marked.find(kMark);
    if (begin != 0) CAIRN_RETURN_IF_ERROR(text(marked.substr(0, begin)));
    if (begin == std::string_view::npos) return {};
    marked.remove_prefix(begin + kMark.size());
    const size_t end = std::min(marked.find(kMark), marked.size());
    const std::string_view number = marked.substr(0, end);
    size_t index = 0;
    std::from_chars(number.data(), number.data() + number.size(), index);
    CAIRN_RETURN_IF_ERROR(name(index));
    marked.remove_prefix(std::min(end + kMark.size(), marked.size()));
  }
}

}  // namespace

// What the tokenizer would read as control tokens; a mark's number is an index of `names`.
struct ControlMarks::Names {
  explicit Names(const Tokenizer& tokenizer) {
    for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
      const std::string_view name = tokenizer.token_text(id);
      if (!tokenizer.is_special(id) || name.empty()) continue;
      begins[static_cast<unsigned char>(name.front())] = true;
      trie.insert(name, static_cast<int32_t>(names.size()));
      names.emplace_back(name);
    }
  }

  // A template that cuts texts into pieces may cut a mark too; the rest of it stands for no name.
  [[nodiscard]] std::string_view name_of_mark(size_t index) const {
    return index < names.size() ? std::string_view(names[index]) : std::string_view();
  }

  std::vector<std::string> names;
  ByteTrie trie;
  std::array<bool, 256> begins{};  // whether a name begins with this byte
};

ControlMarks::ControlMarks(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer),
      names_(std::make_shared<const Names>(tokenizer)),
      adds_bos_(cairn::adds_bos(tokenizer)) {}

std::string ControlMarks::mark(std::string_view text) const {
  // Without the character of marks, also where one comes to be because one between its bytes has gone.
  std::string content;
  content.reserve(text.size());
  for (const char c : text) {
    content += c;
    if (c == kMark.back() && content.ends_with(kMark)) content.resize(content.size() - kMark.size());
  }
  std::string out;
  out.reserve(content.size());
  for (std::string_view rest = content; !rest.empty();) {
    size_t length = 0;
    int32_t index = 0;
    if (names_->begins[static_cast<unsigned char>(rest.front())]) {
      names_->trie.for_each_prefix(rest, [&](size_t found_length, int32_t found) {
        length = found_length;  // the last is the longest
        index = found;
      });
    }
    if (length != 0) {
      out += mark_of(static_cast<size_t>(index));
    } else {
      out += rest.front();
      length = 1;
    }
    rest.remove_prefix(length);
  }
  return out;
}

std::string ControlMarks::place_mark() const { return mark_of(names_->names.size()); }

std::string ControlMarks::unmark(std::string_view marked) const {
  std::string whole;
  const Status status = walk_marks(
      marked,
      [&](std::string_view part) {
        whole += part;
        return Status();
      },
      [&](size_t index) {
        whole += names_->name_of_mark(index);
        return Status();
      });
  static_cast<void>(status);  // neither call fails
  return whole;
}

// A text without marks, which is nearly all of them, is encoded in one piece.
Result<std::vector<TokenId>> ControlMarks::encode(std::string_view marked, SpecialText unmarked) const {
  std::vector<TokenId> tokens;
  const auto append = [&](std::string_view text, SpecialText special) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const auto ids,
                           tokenizer_.encode(text, {.bos_eos = BosEos::kNone, .special_text = special}));
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    return {};
  };
  CAIRN_RETURN_IF_ERROR(walk_marks(
      marked, [&](std::string_view part) { return append(part, unmarked); },
      [&](size_t index) { return append(names_->name_of_mark(index), SpecialText::kLiteral); }));
  const bool begins_with_bos = !tokens.empty() && tokens.front() == tokenizer_.bos();
  if (adds_bos_ && !begins_with_bos) tokens.insert(tokens.begin(), *tokenizer_.bos());
  return tokens;
}

bool adds_bos(const Tokenizer& tokenizer) {
  const auto tokens = tokenizer.encode("a");
  return tokenizer.bos().has_value() && tokens.ok() && !tokens->empty() &&
         tokens->front() == *tokenizer.bos();
}

std::optional<std::string> name_of(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  if (!id.has_value()) return std::nullopt;
  return std::string(tokenizer.token_text(*id));
}

}  // namespace cairn
