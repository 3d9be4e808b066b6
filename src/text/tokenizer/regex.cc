#include "text/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <new>

#include "base/printable.h"
#include "base/utf8.h"
#include "text/tokenizer/regex_syntax.h"

namespace cairn {
namespace {

constexpr size_t kMaxPatternBytes = 1 << 16;

}  // namespace

struct Regex::Code {
  explicit Code(pcre2_code* compiled) : code(compiled) {}
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }
  pcre2_code* code;
};

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) return unsupported("the tokenizer's pattern is longer than 64 KiB");
  if (find_invalid_utf8(pattern)) return invalid_data("the tokenizer's pattern is not UTF-8");
  CAIRN_ASSIGN_OR_RETURN(const std::string translated, translate_pattern(pattern));
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  if (context == nullptr) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE at = 0;
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                   options, &error, &at, context.get());
  if (code == nullptr) {
    std::array<PCRE2_UCHAR, 160> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    return invalid_data("the tokenizer's pattern \"" + printable(pattern, 300) +
                        "\" cannot be read: " + reinterpret_cast<const char*>(message.data()));
  }
  auto owner = std::make_shared<const Code>(code);
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without a JIT, matching is the same but slower
  return Regex(std::move(owner));
}

struct Regex::Matcher::State {
  explicit State(std::shared_ptr<const Code> owner) : code(std::move(owner)) {
    data = pcre2_match_data_create_from_pattern(code->code, nullptr);
    context = pcre2_match_context_create(nullptr);
    stack = pcre2_jit_stack_create(32 << 10, 8 << 20, nullptr);
    if (context != nullptr && stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
  std::shared_ptr<const Code> code;
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;
  pcre2_jit_stack* stack = nullptr;
};

Regex::Matcher::Matcher(const Regex& regex) : state_(std::make_unique<State>(regex.code_)) {
  if (state_->data == nullptr || state_->context == nullptr) throw std::bad_alloc();
}
Regex::Matcher::~Matcher() = default;

Result<std::optional<RegexMatch>> Regex::Matcher::find(std::string_view text, size_t from) {
  const int count = pcre2_match(state_->code->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, state_->data, state_->context);
  if (count == PCRE2_ERROR_NOMATCH) return std::optional<RegexMatch>();
  if (count < 0) {
    return unsupported("the tokenizer's pattern exceeds the match limit on this text (byte offset " +
                       std::to_string(from) + "): shorten the text or fix the pattern");
  }
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(state_->data);
  if (offsets[1] <= offsets[0] || offsets[0] < from) {  // \K inside a lookaround can do that
    return unsupported("the tokenizer's pattern finds a match that ends before it begins");
  }
  return std::optional<RegexMatch>(RegexMatch{offsets[0], offsets[1]});
}

}  // namespace cairn
