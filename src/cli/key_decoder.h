// KeyDecoder: from a terminal's bytes to what the line editor is told.
//
// A terminal sends keys as escape sequences, which differ from one to the next. The decoder turns those that edit a
// line into the few that the editor binds, and drops all others, so that no unknown key leaves letters in a line.
// Always true: it waits for no input and looks at no clock; its caller does.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// What comes out, besides characters and the control characters of keys.
inline constexpr std::string_view kDeleteKey = "\x1b[3~";   // not Ctrl-D, which ends an empty line
inline constexpr std::string_view kNewLineKey = "\x1b\r";   // Alt-Enter: a line end inside a message
inline constexpr std::string_view kPasteKey = "\x1b[200~";  // take_paste() has the text

class KeyDecoder {
 public:
  void push(std::string_view bytes);
  // The next character for the editor; none: more bytes are needed.
  std::optional<char32_t> next();

  // An escape sequence has begun, which a lone Escape key never ends.
  [[nodiscard]] bool is_in_sequence() const;
  // No more bytes came for a while: what has begun was a lone Escape, which means nothing.
  void end_sequence() { bytes_.clear(); }
  // Everything that was not taken yet is forgotten (Ctrl-C).
  void clear();

  // What was pasted, with \n as its line ends and without control characters; valid UTF-8.
  [[nodiscard]] std::string take_paste();

 private:
  bool decode_one();
  bool decode_escape();
  bool decode_paste();
  void emit(std::string_view keys);

  std::string bytes_;  // not decoded yet
  std::deque<char32_t> keys_;
  std::string paste_;
  bool in_paste_ = false;
};

}  // namespace cairn
