#include "text/reply/reply_reader.h"

#include <algorithm>
#include <array>

#include "text/reply/reply_reader_impl.h"

namespace cairn {
namespace {

// White space before a mark that is left out; a longer run is text.
constexpr size_t kMostBlanks = 256;
// Bytes of a call's mark that are one even where the reply was cut within it; fewer are text, such as a last "<".
constexpr size_t kCutMark = 2;

constexpr std::array<std::string_view, 3> kMessageEnds{"<|end|>", "<|return|>", "<|call|>"};
constexpr std::array<std::string_view, 4> kHeaderMarks{"<|start|>", "<|channel|>", "<|constrain|>",
                                                       "<|message|>"};
constexpr std::array<std::string_view, 2> kNameMarks{"[ARGS]", "[CALL_ID]"};

}  // namespace

ReplyReader::Impl::Impl(const ReplyFormat& format, ReplyReaderOptions options)
    : format_(format), options_(std::move(options)) {
  if (options_.begins == ReplyBeginning::kReasoning) {
    start_text(ReplyPartKind::kReasoning);
  } else if (options_.begins == ReplyBeginning::kStart && format_.has_harmony_channels) {
    open_header(0);
  } else {
    has_text_ = options_.begins == ReplyBeginning::kContent;
    find_marks();
  }
}

bool ReplyReader::Impl::is_mark(std::string_view name) const {
  const auto is_of = [&](const auto& marks) { return std::ranges::count(marks, name) != 0; };
  if (format_.has_harmony_channels) return is_of(kMessageEnds) || is_of(kHeaderMarks);
  if (format_.reasoning.has_value() &&
      (name == format_.reasoning->open || name == format_.reasoning->close)) {
    return true;
  }
  return name == format_.call_marks.open || (!name.empty() && name == format_.call_marks.close) ||
         (format_.call_form == CallForm::kMarked && is_of(kNameMarks));
}

std::vector<ReplyPart> ReplyReader::Impl::push(std::string_view text) {
  held_ += text;
  run();
  drop_emitted();
  return std::exchange(parts_, {});
}

std::vector<ReplyPart> ReplyReader::Impl::flush(ReplyEnding ending) {
  is_final_ = true;
  is_cut_ = ending == ReplyEnding::kCut;
  run();
  if (state_ == State::kText) {
    text_end_ = end();
    emit_text();
  }
  return std::exchange(parts_, {});
}

void ReplyReader::Impl::run() {
  while (step() == Step::kGoOn) {
  }
}

ReplyReader::Impl::Step ReplyReader::Impl::step() {
  switch (state_) {
    case State::kText: return scan_text();
    case State::kCallOpening: return read_opening();
    case State::kCallName: return read_name();
    case State::kCallObject: return read_object();
    case State::kAfterCall: return read_after_call();
    case State::kHeader: return read_header();
  }
  return Step::kWait;
}

ReplyReader::Impl::Step ReplyReader::Impl::scan_text() {
  while (scan_ < end()) {
    const char c = at(scan_);
    if (is_blank(c)) {
      ++scan_;
      if (trims_blanks_) emitted_ = text_end_ = scan_;
      if (scan_ - text_end_ > kMostBlanks) text_end_ = scan_;
      continue;
    }
    const Found found = mark_at(scan_);
    if (found.mark.has_value()) {
      emit_text();
      take_mark(*found.mark);
      return Step::kGoOn;
    }
    if (found.maybe && !is_final_) break;
    if (found.maybe_call && is_cut_ && end() - scan_ >= kCutMark) {
      emit_text();
      emitted_ = text_end_ = scan_ = end();
      return Step::kWait;
    }
    const bool may_be_call = format_.call_form == CallForm::kBare && !options_.tools.empty() && !has_text_ &&
                             text_kind_ == ReplyPartKind::kContent;
    if (may_be_call && c == '{') {
      emit_text();
      open_call(emitted_, scan_);
      call_.is_bare = true;
      return Step::kGoOn;
    }
    text_end_ = ++scan_;
    trims_blanks_ = false;
    if (has_text_) continue;
    has_text_ = true;
    find_marks();
  }
  emit_text();
  return Step::kWait;
}

void ReplyReader::Impl::take_mark(const Mark& mark) {
  const size_t begin = scan_;
  scan_ += mark.text.size();
  switch (mark.meaning) {
    case Meaning::kOpensReasoning: start_text(ReplyPartKind::kReasoning); return;
    case Meaning::kClosesReasoning: start_text(ReplyPartKind::kContent); return;
    case Meaning::kOpensCall: open_call(emitted_, begin); return;
    case Meaning::kEndsMessage: open_header(scan_); return;
    case Meaning::kInHeader: open_header(begin); return;
  }
}

// From here on.
void ReplyReader::Impl::start_text(ReplyPartKind kind) {
  state_ = State::kText;
  text_kind_ = kind;
  trims_blanks_ = true;
  has_text_ = false;
  in_list_ = false;
  emitted_ = text_end_ = scan_;
  find_marks();
}

void ReplyReader::Impl::find_marks() {
  marks_.clear();
  if (format_.has_harmony_channels) {
    for (const std::string_view mark : kMessageEnds) marks_.push_back({mark, Meaning::kEndsMessage});
    for (const std::string_view mark : kHeaderMarks) marks_.push_back({mark, Meaning::kInHeader});
    return;
  }
  const bool is_reasoning = text_kind_ == ReplyPartKind::kReasoning;
  if (format_.reasoning.has_value()) {
    // Only what begins a reply is reasoning: an answer may speak of the mark.
    if (!has_text_) marks_.push_back({format_.reasoning->open, Meaning::kOpensReasoning});
    if (is_reasoning) marks_.push_back({format_.reasoning->close, Meaning::kClosesReasoning});
  }
  if (!is_reasoning && !options_.tools.empty() && format_.call_form != CallForm::kNone) {
    marks_.push_back({format_.call_marks.open, Meaning::kOpensCall});
  }
}

std::optional<bool> ReplyReader::Impl::stands_at(size_t offset, std::string_view text) const {
  const std::string_view there = slice(offset, std::min(end(), offset + text.size()));
  if (!text.starts_with(there)) return false;
  return there.size() == text.size() ? std::optional(true) : std::nullopt;
}

ReplyReader::Impl::Found ReplyReader::Impl::mark_at(size_t offset) const {
  Found found;
  for (const Mark& mark : marks_) {
    if (mark.text.front() != at(offset)) continue;
    const auto stands = stands_at(offset, mark.text);
    if (!stands.has_value()) {
      found.maybe = true;
      found.maybe_call = found.maybe_call || mark.meaning == Meaning::kOpensCall;
    }
    if (stands.value_or(false)) found.mark = mark;
  }
  return found;
}

void ReplyReader::Impl::emit(ReplyPartKind kind, std::string text, size_t begin, size_t end) {
  parts_.push_back({kind, std::move(text), begin, end});
}

void ReplyReader::Impl::emit_text() {
  if (emitted_ == text_end_) return;
  emit(text_kind_, std::string(slice(emitted_, text_end_)), emitted_, text_end_);
  emitted_ = text_end_;
}

// No more often than half of what is held can go, so that a byte is moved a bounded number of times.
void ReplyReader::Impl::drop_emitted() {
  const size_t kept_from = state_ == State::kText        ? emitted_
                           : state_ == State::kHeader    ? header_begin_
                           : state_ == State::kAfterCall ? scan_
                                                         : std::min(call_.from, call_.mark_begin);
  const size_t count = kept_from - base_;
  if (count * 2 < held_.size()) return;
  held_.erase(0, count);
  base_ = kept_from;
}

ReplyReader::ReplyReader(const ReplyFormat& format, ReplyReaderOptions options)
    : impl_(std::make_unique<Impl>(format, std::move(options))) {}
ReplyReader::~ReplyReader() = default;
ReplyReader::ReplyReader(ReplyReader&&) noexcept = default;
ReplyReader& ReplyReader::operator=(ReplyReader&&) noexcept = default;

std::vector<ReplyPart> ReplyReader::push(std::string_view text) { return impl_->push(text); }
std::vector<ReplyPart> ReplyReader::push_special(std::string_view name) {
  return impl_->is_mark(name) ? impl_->push(name) : std::vector<ReplyPart>();
}
std::vector<ReplyPart> ReplyReader::flush(ReplyEnding ending) { return impl_->flush(ending); }

void add_parts(ReadReply& reply, std::vector<ReplyPart> parts) {
  for (ReplyPart& part : parts) {
    switch (part.kind) {
      case ReplyPartKind::kContent: reply.content += part.text; break;
      case ReplyPartKind::kReasoning: reply.reasoning += part.text; break;
      case ReplyPartKind::kCallBegin:
        reply.calls.push_back({.id = {}, .name = part.text, .arguments = {}});
        break;
      case ReplyPartKind::kCallArguments: reply.calls.back().arguments += part.text; break;
      case ReplyPartKind::kCallEnd: break;
    }
  }
}

ReadReply read_reply(const ReplyFormat& format, const ReplyReaderOptions& options, std::string_view text) {
  ReplyReader reader(format, options);
  ReadReply reply;
  add_parts(reply, reader.push(text));
  add_parts(reply, reader.flush());
  return reply;
}

}  // namespace cairn
