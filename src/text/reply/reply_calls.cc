// Calls in a reply: an object that names itself, a list of them, or a name and an object.
#include <algorithm>
#include <boost/json.hpp>

#include "text/reply/reply_reader_impl.h"

namespace cairn {
namespace {

constexpr size_t kMostBlanks = 256;  // between a mark and the call
constexpr size_t kMostName = 256;    // bytes of a name and what stands between it and the arguments

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.';
}

// Of a JSON string, with its quotes.
std::optional<std::string> text_of(std::string_view json) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(json, error);
  if (error || !value.is_string()) return std::nullopt;
  return std::string(value.get_string());
}

bool is_object(std::string_view text) {
  boost::system::error_code error;
  const boost::json::value value =
      boost::json::parse(text, error, {}, {.max_depth = JsonScan::kMostDepth + 1});
  return !error && value.is_object();
}

}  // namespace

bool ReplyReader::Impl::is_tool(std::string_view name) const {
  return std::ranges::count(options_.tools, name) != 0;
}

// A call may stand at scan_.
void ReplyReader::Impl::open_call(size_t from, size_t mark_begin) {
  state_ = State::kCallOpening;
  call_ = {};
  call_.from = from;
  call_.mark_begin = mark_begin;
  call_.blanks_begin = scan_;
}

// What was held is content, up to scan_. What was let out of the arguments stays.
ReplyReader::Impl::Step ReplyReader::Impl::fail_call() {
  if (call_.has_begun) let_arguments_out(scan_);
  const size_t from = call_.has_begun ? call_.let_out : call_.from;
  const size_t to = scan_;
  start_text(ReplyPartKind::kContent);
  emitted_ = from;
  text_end_ = to;
  trims_blanks_ = false;
  has_text_ = true;
  find_marks();
  emit_text();
  return Step::kGoOn;
}

// The reply ended within the call.
ReplyReader::Impl::Step ReplyReader::Impl::end_call() {
  scan_ = end();
  if (!is_cut_) return fail_call();
  start_text(ReplyPartKind::kContent);
  return Step::kWait;
}

ReplyReader::Impl::Step ReplyReader::Impl::read_opening() {
  while (scan_ < end() && is_blank(at(scan_))) {
    if (++scan_ - call_.blanks_begin > kMostBlanks) return fail_call();
  }
  if (scan_ == end()) return is_final_ ? end_call() : Step::kWait;
  const char c = at(scan_);
  if (c == '{') {
    begin_object(scan_, call_.name.has_value() ? ObjectIs::kArguments : ObjectIs::kWholeCall);
    return Step::kGoOn;
  }
  if (call_.name.has_value() || call_.is_bare) return fail_call();
  if (c == '[' && !in_list_) {
    in_list_ = true;
    call_.blanks_begin = ++scan_;
    return Step::kGoOn;
  }
  // Only Mistral's mark has no closing one; its newer models write a name behind it.
  const bool may_be_name = format_.call_marks.close.empty() && format_.call_form == CallForm::kMarked;
  if (!may_be_name || in_list_ || !is_name_character(c)) return fail_call();
  state_ = State::kCallName;
  return Step::kGoOn;
}

// NAME{, NAME[ARGS]{ or NAME[CALL_ID]ID[ARGS]{, from scan_ on.
ReplyReader::Impl::Step ReplyReader::Impl::read_name() {
  const auto skip_name = [&](size_t from) {
    while (from < end() && from - scan_ < kMostName && is_name_character(at(from))) ++from;
    return from;
  };
  const auto fail_at = [&](size_t offset) {
    scan_ = offset;
    return fail_call();
  };
  size_t here = skip_name(scan_);
  const size_t name_end = here;
  for (const std::string_view mark : {"[CALL_ID]", "[ARGS]"}) {
    if (here == end()) break;
    const auto stands = stands_at(here, mark);
    if (!stands.has_value()) return is_final_ ? end_call() : Step::kWait;
    if (!*stands) continue;
    here += mark.size();
    if (mark == "[CALL_ID]") here = skip_name(here);
  }
  while (here < end() && here - scan_ < kMostName && is_blank(at(here))) ++here;
  if (here - scan_ >= kMostName) return fail_at(scan_ + kMostName);
  if (here == end()) return is_final_ ? end_call() : Step::kWait;
  if (at(here) != '{') return fail_at(here);
  call_.name = std::string(slice(scan_, name_end));
  begin_object(here, ObjectIs::kArguments);
  return Step::kGoOn;
}

void ReplyReader::Impl::begin_object(size_t at, ObjectIs is) {
  state_ = State::kCallObject;
  scan_ = at;
  call_.object_begin = at;
  call_.object_is = is;
  if (is == ObjectIs::kArguments) call_.arguments = {at, 0};
}

ReplyReader::Impl::Step ReplyReader::Impl::read_object() {
  while (scan_ < end()) {
    if (scan_ - call_.object_begin == kMostHeld) return fail_call();
    const JsonStep step = call_.scan.push(at(scan_));
    if (step == JsonStep::kBad || !take_step(step, scan_)) return fail_call();
    ++scan_;
    if (step != JsonStep::kDone) continue;
    if (!finish_call()) return fail_call();
    state_ = State::kAfterCall;
    return Step::kGoOn;
  }
  if (call_.has_begun) let_arguments_out(scan_);
  if (!is_final_) return Step::kWait;
  if (!call_.has_begun) return end_call();
  start_text(ReplyPartKind::kContent);  // the reply was cut inside the arguments
  return Step::kWait;
}

// False: this is no call.
bool ReplyReader::Impl::take_step(JsonStep step, size_t at) {
  if (call_.object_is == ObjectIs::kWholeCall) {
    switch (step) {
      case JsonStep::kKeyBegin: call_.key_begin = at; return true;
      case JsonStep::kKeyEnd: return take_key(at);
      case JsonStep::kValueBegin: return take_value_begin(at);
      case JsonStep::kValueEnd: return take_value_end(at);
      default: break;
    }
  }
  const bool may_begin = options_.delivery == CallDelivery::kAsItComes && !call_.has_begun &&
                         call_.name.has_value() && call_.arguments.has_value();
  if (may_begin && at == call_.arguments->first && this->at(at) == '{') {
    emit(ReplyPartKind::kCallBegin, *call_.name, call_.mark_begin, at);
    call_.has_begun = true;
    call_.let_out = at;
  }
  return true;
}

bool ReplyReader::Impl::take_key(size_t at) {
  auto key = text_of(slice(call_.key_begin, at + 1));
  if (!key.has_value()) return false;
  call_.key = *std::move(key);
  const bool is_known = call_.key == format_.name_key || call_.key == "arguments" ||
                        call_.key == "parameters" || call_.key == "type" || call_.key == "id";
  return !call_.is_bare || is_known;
}

bool ReplyReader::Impl::take_value_begin(size_t at) {
  const char c = this->at(at);
  call_.value_begin = at;
  if (call_.key == format_.name_key) return c == '"' && !call_.name.has_value();
  if (call_.key != "arguments" && call_.key != "parameters") return true;
  const bool may_be = c == '{' || (!call_.is_bare && (c == '"' || c == 'n'));
  if (!may_be || call_.arguments.has_value()) return false;
  call_.arguments = {at, 0};
  return take_step(JsonStep::kInside, at);
}

bool ReplyReader::Impl::take_value_end(size_t at) {
  if (call_.key == format_.name_key) {
    call_.name = text_of(slice(call_.value_begin, at + 1));
    if (!call_.name.has_value() || call_.name->empty()) return false;
    return !call_.is_bare || is_tool(*call_.name);
  }
  if (call_.arguments.has_value() && call_.value_begin == call_.arguments->first) {
    call_.arguments->second = at + 1;
  }
  return true;
}

// Up to an offset, or to their end.
void ReplyReader::Impl::let_arguments_out(size_t up_to) {
  const size_t to = call_.arguments->second == 0 ? up_to : std::min(up_to, call_.arguments->second);
  if (to <= call_.let_out) return;
  emit(ReplyPartKind::kCallArguments, std::string(slice(call_.let_out, to)), call_.let_out, to);
  call_.let_out = to;
}

// As the model wrote them, where they are an object; some write its text as a string. Absent: they are neither.
std::optional<std::string> ReplyReader::Impl::whole_arguments() const {
  if (!call_.arguments.has_value()) {
    return call_.is_bare ? std::nullopt : std::optional<std::string>("{}");
  }
  const auto [begin, end] = *call_.arguments;
  std::optional<std::string> text(slice(begin, end));
  if (*text == "null") return "{}";
  if (text->front() == '"') text = text_of(*text);
  return text.has_value() && is_object(*text) ? text : std::nullopt;
}

// The object is complete. False: it is no call.
bool ReplyReader::Impl::finish_call() {
  if (call_.object_is == ObjectIs::kArguments) call_.arguments->second = scan_;
  auto arguments = whole_arguments();
  if (!call_.name.has_value() || !arguments.has_value()) return false;
  const auto [begin, end] = call_.arguments.value_or(std::pair(scan_, scan_));
  if (call_.has_begun) {
    let_arguments_out(end);
  } else {
    emit(ReplyPartKind::kCallBegin, *call_.name, call_.mark_begin, begin);
    emit(ReplyPartKind::kCallArguments, *std::move(arguments), begin, end);
  }
  emit(ReplyPartKind::kCallEnd, {}, end, scan_);
  return true;
}

ReplyReader::Impl::Step ReplyReader::Impl::read_after_call() {
  while (scan_ < end() && is_blank(at(scan_))) ++scan_;
  if (scan_ == end()) return Step::kWait;
  const char c = at(scan_);
  if (in_list_ && c == ',') {
    const size_t comma = scan_++;
    open_call(comma, comma);
    return Step::kGoOn;
  }
  if (in_list_ && c == ']') {
    in_list_ = false;
    ++scan_;
    return Step::kGoOn;
  }
  if (call_.is_bare && c == ';') {
    const size_t separator = scan_++;
    open_call(separator, separator);
    call_.is_bare = true;
    return Step::kGoOn;
  }
  const std::string& close = format_.call_marks.close;
  if (!close.empty()) {
    const auto stands = stands_at(scan_, close);
    if (!stands.has_value() && !is_final_) return Step::kWait;
    if (stands.value_or(false)) scan_ += close.size();
  }
  start_text(ReplyPartKind::kContent);
  return Step::kGoOn;
}

}  // namespace cairn
