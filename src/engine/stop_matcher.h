// StopMatcher: finds the first stop string in a stream of text, and never lets a part of it out.
//
// Text that may be the beginning of a stop string is withheld until it is certain. Of several stop strings
// the one that is complete first ends the stream; at the same byte, the one that began first (the longest).
//
// The stream has hidden parts too, the names of special tokens, which are never let out. A stop string is found in the
// text as it is shown, and in the text together with its hidden parts ("<|im_end|>", "<|im_start|>user").
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn {

class StopMatcher {
 public:
  // No string may be empty.
  explicit StopMatcher(std::vector<std::string> stop_strings);

  struct Output {
    std::string_view text;  // certain now; valid until the next call
    bool stopped = false;   // a stop string is complete; `text` is what came before it, and nothing follows
  };
  Output push(std::string_view text);
  Output push_hidden(std::string_view text);
  // The stream ended: the text that was withheld.
  std::string_view flush();

 private:
  // What the stop strings are in a text: the first complete one, or the longest beginning of one at the end.
  struct Found {
    size_t begin;  // npos: none is complete
    size_t end;
    size_t maybe_begin;
  };
  struct Hidden {
    size_t begin, size;  // bytes of held_
  };

  void drop_emitted();
  Output match();
  Output match_with_hidden_parts();
  [[nodiscard]] Found find_in(std::string_view text) const;
  [[nodiscard]] size_t shown_offset(size_t held) const;
  [[nodiscard]] size_t held_offset(size_t shown) const;

  std::vector<std::string> stop_strings_;
  // All text, hidden parts included: what was emitted at the front [0, dropped_), then what is withheld.
  std::string held_;
  size_t dropped_ = 0;
  std::vector<Hidden> hidden_;  // the hidden parts of held_, ascending
  // held_ without its hidden parts, made where it has any.
  std::string shown_;
  size_t emitted_ = 0;  // the bytes emitted of shown_, or of held_ where that has no hidden parts
};

}  // namespace cairn
