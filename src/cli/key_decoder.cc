#include "cli/key_decoder.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.h"

namespace cairn {
namespace {

constexpr char kEscape = '\x1b';
constexpr std::string_view kPasteBegins = "200~";
constexpr std::string_view kPasteEnd = "\x1b[201~";

// What stands behind ESC [ or ESC O, and what the editor is told. Home and End have three spellings.
struct KnownSequence {
  std::string_view sent;
  std::string_view told;
};
constexpr std::array<KnownSequence, 18> kKnown{
    {{"A", "\x10"},  // up: Ctrl-P
     {"B", "\x0e"},  // down: Ctrl-N
     {"C", "\x06"},  // right: Ctrl-F
     {"D", "\x02"},  // left: Ctrl-B
     {"H", "\x01"},  // Home: Ctrl-A
     {"1~", "\x01"},
     {"7~", "\x01"},
     {"F", "\x05"},  // End: Ctrl-E
     {"4~", "\x05"},
     {"8~", "\x05"},
     {"3~", kDeleteKey},
     {"1;5C",
      "\x1b"
      "f"},  // Ctrl-right: a word on
     {"1;3C",
      "\x1b"
      "f"},
     {"1;5D",
      "\x1b"
      "b"},
     {"1;3D",
      "\x1b"
      "b"},
     {"13;2u", kNewLineKey},  // Shift-Enter, of terminals that tell
     {"27;2;13~", kNewLineKey},
     {kPasteBegins, kPasteKey}}};

// How many bytes the sequence behind `introducer` has, its last one included; none: it has not ended yet.
std::optional<size_t> sequence_length(std::string_view bytes, char introducer) {
  const size_t skipped =
      introducer == '[' && bytes.starts_with('[') ? 1 : 0;  // the Linux console's F1: ESC [ [ A
  for (size_t i = skipped; i < bytes.size(); ++i) {
    if (introducer == 'O' || (bytes[i] >= '@' && bytes[i] <= '~')) return i + 1;
  }
  return std::nullopt;
}

bool may_be_in_a_line(char32_t c) { return (c >= 0x20 && c < 0x7F) || c >= 0xA0 || c == '\n' || c == '\t'; }

// Line ends of every kind become \n; what a terminal would obey, and broken UTF-8, goes.
std::string plain_text(std::string_view bytes) {
  std::string valid;
  bytes.remove_prefix(take_utf8(bytes, valid));
  if (!bytes.empty()) append_utf8(valid, kReplacementCharacter);
  std::string text;
  char32_t before = 0;
  for (const std::string_view character : characters_of(valid)) {
    const char32_t code = utf8_at(character, 0);
    if (code == '\r' || (code == '\n' && before != '\r'))
      text += '\n';
    else if (code != '\n' && may_be_in_a_line(code))
      text += character;
    before = code;
  }
  return text;
}

}  // namespace

void KeyDecoder::push(std::string_view bytes) { bytes_ += bytes; }

std::optional<char32_t> KeyDecoder::next() {
  while (keys_.empty()) {
    if (bytes_.empty() || !decode_one()) return std::nullopt;
  }
  const char32_t key = keys_.front();
  keys_.pop_front();
  return key;
}

bool KeyDecoder::is_in_sequence() const { return !in_paste_ && bytes_.starts_with(kEscape); }

void KeyDecoder::clear() {
  bytes_.clear();
  keys_.clear();
  paste_.clear();
  in_paste_ = false;
}

std::string KeyDecoder::take_paste() { return std::exchange(paste_, {}); }

// False where more bytes are needed.
bool KeyDecoder::decode_one() {
  if (in_paste_) return decode_paste();
  if (bytes_.front() == kEscape) return decode_escape();
  constexpr size_t kLongestCharacter = 4;
  std::string ignored;
  if (take_utf8(std::string_view(bytes_).substr(0, kLongestCharacter), ignored) == 0) return false;
  const Character character = first_character(bytes_);
  keys_.push_back(character.code);
  bytes_.erase(0, character.bytes);
  return true;
}

bool KeyDecoder::decode_escape() {
  if (bytes_.size() < 2) return false;
  const char introducer = bytes_[1];
  if (introducer != '[' && introducer != 'O') {  // Alt and a key
    const bool twice = introducer == kEscape;
    if (introducer == '\n') emit(kNewLineKey);
    if (introducer != '\n' && !twice) emit(std::string_view(bytes_).substr(0, 2));
    bytes_.erase(0, twice ? 1 : 2);
    return true;
  }
  const std::string_view rest = std::string_view(bytes_).substr(2);
  const auto length = sequence_length(rest, introducer);
  if (!length.has_value()) return false;
  const std::string sequence(rest.substr(0, *length));
  bytes_.erase(0, 2 + *length);
  in_paste_ = sequence == kPasteBegins;
  if (in_paste_) return true;
  const auto* known = std::ranges::find(kKnown, sequence, &KnownSequence::sent);
  if (known != kKnown.end()) emit(known->told);
  return true;
}

// The editor hears of a paste when all of it is there.
bool KeyDecoder::decode_paste() {
  const size_t end = bytes_.find(kPasteEnd);
  if (end == std::string::npos) return false;
  paste_ += plain_text(std::string_view(bytes_).substr(0, end));
  bytes_.erase(0, end + kPasteEnd.size());
  in_paste_ = false;
  emit(kPasteKey);
  return true;
}

void KeyDecoder::emit(std::string_view keys) {
  for (const std::string_view character : characters_of(keys)) keys_.push_back(utf8_at(character, 0));
}

}  // namespace cairn
