// Harmony (gpt-oss): a reply is a list of messages, each with a header:
//   <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...<|return|>
// A call is a message to functions.NAME. The prompt has written the first header's "<|start|>assistant".
#include <algorithm>
#include <array>

#include "text/reply/reply_reader_impl.h"

namespace cairn {
namespace {

constexpr size_t kMostHeader = 512;  // bytes before <|message|>
constexpr std::string_view kMessage = "<|message|>";
constexpr std::string_view kChannel = "<|channel|>";
constexpr std::string_view kFunctions = "functions.";
// What a header begins with.
constexpr std::array<std::string_view, 5> kBegins{"<|start|>", kChannel, "<|constrain|>", kMessage, "to="};

// The word behind `key`, up to a blank or a mark; empty where there is none.
std::string_view word_behind(std::string_view header, std::string_view key) {
  const size_t found = header.find(key);
  if (found == std::string_view::npos) return {};
  header.remove_prefix(found + key.size());
  return header.substr(0, header.find_first_of(" \t\r\n<"));
}

}  // namespace

void ReplyReader::Impl::open_header(size_t begin) {
  state_ = State::kHeader;
  in_list_ = false;
  header_begin_ = scan_ = begin;
  is_header_ = false;
}

// It is none: a model that was trained otherwise just answers.
ReplyReader::Impl::Step ReplyReader::Impl::leave_header() {
  const size_t to = scan_;
  start_text(ReplyPartKind::kContent);
  emitted_ = header_begin_;
  text_end_ = to;
  trims_blanks_ = to == header_begin_ && header_begin_ != 0;
  return Step::kGoOn;
}

ReplyReader::Impl::Step ReplyReader::Impl::read_header() {
  if (!is_header_) {
    size_t begin = header_begin_;
    while (begin < end() && begin - header_begin_ < kMostHeader && is_blank(at(begin))) ++begin;
    if (begin == end()) return is_final_ ? leave_header() : Step::kWait;
    bool maybe = false;
    for (const std::string_view text : kBegins) {
      const auto stands = stands_at(begin, text);
      is_header_ = is_header_ || stands.value_or(false);
      maybe = maybe || !stands.has_value();
    }
    if (!is_header_) return maybe && !is_final_ ? Step::kWait : leave_header();
    scan_ = begin;
  }
  const size_t limit = header_begin_ + kMostHeader;
  for (; scan_ < end() && scan_ < limit; ++scan_) {
    if (at(scan_) != '<') continue;
    const auto stands = stands_at(scan_, kMessage);
    if (!stands.has_value() && !is_final_) return Step::kWait;
    if (!stands.value_or(false)) continue;
    const std::string header(slice(header_begin_, scan_));
    scan_ += kMessage.size();
    take_header(header, header_begin_);
    return Step::kGoOn;
  }
  if (scan_ == limit) return leave_header();
  return Step::kWait;  // a header that the reply's end cut off says nothing
}

void ReplyReader::Impl::take_header(std::string_view header, size_t begin) {
  std::string_view recipient = word_behind(header, "to=");
  if (recipient.starts_with(kFunctions) && !options_.tools.empty()) {
    recipient.remove_prefix(kFunctions.size());
    if (!recipient.empty()) {
      open_call(begin, begin);
      call_.name = std::string(recipient);
      return;
    }
  }
  start_text(word_behind(header, kChannel) == "analysis" ? ReplyPartKind::kReasoning
                                                         : ReplyPartKind::kContent);
}

}  // namespace cairn
