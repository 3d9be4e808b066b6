#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/format.h"
#include "text/jinja/number_format.h"
#include "text/jinja/print.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

// One place of a format: %[(key)][flags][width][.precision]type.
struct Place {
  std::optional<std::string> key;
  bool is_left = false;
  bool is_zero_filled = false;
  FormatSpec spec;
};

class PercentFormat {
 public:
  PercentFormat(Budget& budget, std::string_view format, const Value& arguments)
      : budget_(budget), rest_(format), arguments_(arguments) {}

  Result<Value> run();

 private:
  Result<Place> parse_place();
  Status parse_key(Place* place);
  void parse_flags(Place* place);
  Result<std::optional<int64_t>> parse_count();
  Result<Value> next_argument();
  Result<Value> argument_of(const Place& place);
  Result<std::string> written(Place place, const Value& value);
  Result<std::string> written_number(Place& place, const Value& value);
  Result<std::string> written_text(const Place& place, const Value& value);
  [[nodiscard]] Status check_all_used() const;

  [[nodiscard]] const Sequence* tuple() const {
    const Sequence* sequence = arguments_.as_sequence();
    return sequence != nullptr && sequence->kind == SequenceKind::kTuple ? sequence : nullptr;
  }

  Budget& budget_;
  std::string_view rest_;
  const Value& arguments_;
  std::size_t used_ = 0;
  std::string out_;
};

Status cut_off() { return invalid_data("the format ends within a '%' place"); }

Result<Value> PercentFormat::run() {
  while (!rest_.empty()) {
    const std::size_t percent = std::min(rest_.find('%'), rest_.size());
    CAIRN_RETURN_IF_ERROR(budget_.allocate(percent + 1));
    out_ += rest_.substr(0, percent);
    rest_.remove_prefix(percent);
    if (rest_.empty()) break;
    rest_.remove_prefix(1);
    if (rest_.starts_with('%')) {
      out_ += '%';
      rest_.remove_prefix(1);
      continue;
    }
    CAIRN_ASSIGN_OR_RETURN(Place place, parse_place());
    CAIRN_ASSIGN_OR_RETURN(const Value value, argument_of(place));
    CAIRN_ASSIGN_OR_RETURN(const std::string text, written(std::move(place), value));
    out_ += text;
  }
  CAIRN_RETURN_IF_ERROR(check_all_used());
  return Value::string(std::move(out_));
}

Status PercentFormat::parse_key(Place* place) {
  if (!rest_.starts_with('(')) return {};
  int depth = 0;
  for (std::size_t i = 0; i < rest_.size(); ++i) {
    depth += rest_[i] == '(' ? 1 : rest_[i] == ')' ? -1 : 0;
    if (depth > 0) continue;
    place->key = std::string(rest_.substr(1, i - 1));
    rest_.remove_prefix(i + 1);
    return {};
  }
  return cut_off();
}

void PercentFormat::parse_flags(Place* place) {
  for (; !rest_.empty(); rest_.remove_prefix(1)) {
    switch (rest_.front()) {
      case '-': place->is_left = true; break;
      case '0': place->is_zero_filled = true; break;
      case '#': place->spec.is_alternate = true; break;
      case '+': place->spec.sign = '+'; break;
      case ' ': place->spec.sign = place->spec.sign == '+' ? '+' : ' '; break;
      default: return;
    }
  }
}

// Digits, or '*': the next argument.
Result<std::optional<int64_t>> PercentFormat::parse_count() {
  constexpr int64_t kMost = 10000;
  int64_t count = 0;
  if (rest_.starts_with('*')) {
    rest_.remove_prefix(1);
    CAIRN_ASSIGN_OR_RETURN(const Value value, next_argument());
    if (!value.as_integer(&count)) return invalid_data("'*' in a format needs an integer");
  } else {
    const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), count);
    const auto length = static_cast<std::size_t>(read.ptr - rest_.data());
    if (length == 0 || rest_.starts_with('-')) return std::optional<int64_t>();
    if (read.ec != std::errc()) return resource_exhausted("a number in a format is too large");
    rest_.remove_prefix(length);
  }
  if (count > kMost || count < -kMost) return resource_exhausted("a number in a format is too large");
  return std::optional<int64_t>(count);
}

Result<Place> PercentFormat::parse_place() {
  Place place;
  CAIRN_RETURN_IF_ERROR(parse_key(&place));
  parse_flags(&place);
  CAIRN_ASSIGN_OR_RETURN(const auto width, parse_count());
  place.spec.width = width.value_or(0);
  if (place.spec.width < 0) {
    place.is_left = true;
    place.spec.width = -place.spec.width;
  }
  if (rest_.starts_with('.')) {
    rest_.remove_prefix(1);
    CAIRN_ASSIGN_OR_RETURN(const auto precision, parse_count());
    place.spec.precision = std::max<int64_t>(precision.value_or(0), 0);
  }
  if (!rest_.empty() && std::string_view("hlL").find(rest_.front()) != std::string_view::npos)
    rest_.remove_prefix(1);
  if (rest_.empty()) return cut_off();
  place.spec.type = rest_.front();
  rest_.remove_prefix(1);
  return place;
}

Result<Value> PercentFormat::next_argument() {
  const Sequence* several = tuple();
  const std::size_t count = several == nullptr ? 1 : several->items.size();
  if (used_ >= count) return invalid_data("there are not enough arguments for a format");
  return several == nullptr ? (++used_, arguments_) : several->items[used_++];
}

Result<Value> PercentFormat::argument_of(const Place& place) {
  if (!place.key.has_value()) return next_argument();
  const Dict* dict = arguments_.as_dict();
  if (dict == nullptr) return invalid_data("a format with names needs a dict");
  const Value* found = dict->find(*place.key);
  if (found == nullptr) return invalid_data("the dict of a format has no '" + *place.key + "'");
  return *found;
}

// As in Python, only a tuple, or a value that is no container, must be used up.
Status PercentFormat::check_all_used() const {
  const Sequence* sequence = arguments_.as_sequence();
  const bool is_container =
      arguments_.as_dict() != nullptr || (sequence != nullptr && (sequence->kind == SequenceKind::kList ||
                                                                  sequence->kind == SequenceKind::kRange));
  const std::size_t count = tuple() != nullptr ? tuple()->items.size() : is_container ? 0 : 1;
  if (used_ < count) return invalid_data("not all arguments of a format are used");
  return {};
}

Result<std::string> PercentFormat::written_text(const Place& place, const Value& value) {
  CAIRN_RETURN_IF_ERROR(budget_.allocate(value.weight() * 64));
  CAIRN_ASSIGN_OR_RETURN(const std::string text, place.spec.type == 's' ? print(value) : print_repr(value));
  return format_text(budget_, text, place.spec);
}

Result<std::string> PercentFormat::written_number(Place& place, const Value& value) {
  FormatSpec& spec = place.spec;
  double number = 0;
  int64_t integer = 0;
  if (!value.as_number(&number)) {
    return invalid_data(std::string("'%") + spec.type + "' needs a number, not a value of type " +
                        value.type_name());
  }
  if (place.is_zero_filled && !place.is_left) {
    spec.fill = "0";
    spec.align = '=';
  }
  if (is_float_type(spec.type)) return format_float(budget_, number, spec);
  const bool is_decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
  if (!value.as_integer(&integer)) {
    if (!is_decimal || !(std::abs(number) < 9.2e18))
      return invalid_data(std::string("'%") + spec.type + "' needs an integer");
    integer = static_cast<int64_t>(number);
  }
  if (is_decimal) spec.type = 'd';
  spec.digits_min = spec.precision.value_or(0);
  spec.precision.reset();
  CAIRN_RETURN_IF_ERROR(budget_.allocate(static_cast<uint64_t>(spec.digits_min)));
  return format_integer(budget_, integer, spec);
}

Result<std::string> PercentFormat::written(Place place, const Value& value) {
  FormatSpec& spec = place.spec;
  spec.align = place.is_left ? '<' : '>';
  switch (spec.type) {
    case 's':
    case 'r': return written_text(place, value);
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': return written_number(place, value);
    case 'c': {
      spec.precision.reset();
      const std::string* text = value.text();
      if (text != nullptr && count_characters(*text) == 1) return format_text(budget_, *text, spec);
      int64_t code = 0;
      if (!value.as_integer(&code)) return invalid_data("'%c' needs an integer or one character");
      return format_integer(budget_, code, spec);
    }
    case 'a': return unsupported("'%a' in a format is not supported");
    default: return invalid_data(std::string("'%") + spec.type + "' is no format");
  }
}

}  // namespace

Result<Value> format_percent(Budget& budget, const std::string& format, const Value& arguments) {
  return PercentFormat(budget, format, arguments).run();
}

}  // namespace cairn::jinja
