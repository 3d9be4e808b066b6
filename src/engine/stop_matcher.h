// StopMatcher: finds the first stop string in a stream of text, and never lets a part of it out.
//
// Text that may be the beginning of a stop string is withheld until it is certain. Of several stop strings
// the one that is complete first ends the stream; at the same byte, the one that began first (the longest).
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
  // The stream ended: the text that was withheld.
  std::string_view flush();

 private:
  std::vector<std::string> stop_strings_;
  std::string held_;  // text that was returned at the front [0, told_), then what is withheld
  size_t told_ = 0;
};

}  // namespace cairn
