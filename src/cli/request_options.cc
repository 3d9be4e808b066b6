#include "cli/request_options.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <random>

#include "base/printable.h"

namespace cairn {
namespace {

Result<std::string> read_all(int fd, std::string_view name) {
  std::string text;
  std::string part(size_t{1} << 16, '\0');
  while (true) {
    const ssize_t got = ::read(fd, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return internal_error(fmt::format("cannot read {}: {}", name, std::strerror(errno)));
    if (got == 0) return text;
    text.append(part, 0, static_cast<size_t>(got));
    if (text.size() > kPromptBytesMax) {
      return resource_exhausted(
          fmt::format("{} is longer than {} MiB: no context holds that", name, kPromptBytesMax >> 20));
    }
  }
}

Result<std::string> read_file(const std::string& path) {
  const std::string name = printable_path(path);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return not_found(fmt::format("there is no file {} (-f)", name));
  if (fd < 0) return internal_error(fmt::format("cannot open {}: {}", name, std::strerror(errno)));
  auto text = read_all(fd, name);
  ::close(fd);
  return text;
}

bool is_off_top_k(int64_t top_k) { return top_k == 0 || top_k == -1; }

void apply_ends(const SamplingOptions& options, Request& request) {
  request.stop_strings = options.stop_strings;
  request.ignore_end_tokens = options.end_tokens == EndTokens::kAreIgnored;
}

// "\r\n" is one, too.
void drop_last_line_end(std::string& text) {
  if (!text.ends_with('\n')) return;
  text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

}  // namespace

Result<std::string> read_prompt_text(const PromptOptions& options) {
  const int count = options.text.has_value() + options.file.has_value() + options.tokens.has_value();
  if (count == 0) {
    return invalid_argument("there is no prompt: give -p TEXT, -p - for standard input, or -f FILE");
  }
  if (count > 1) return invalid_argument("there are two prompts: give one of -p, -f and --prompt-tokens");
  if (options.tokens.has_value()) return std::string();
  if (options.text.has_value() && *options.text != "-") return *options.text;

  CAIRN_ASSIGN_OR_RETURN(std::string text, options.file.has_value()
                                               ? read_file(*options.file)
                                               : read_all(STDIN_FILENO, "standard input"));
  drop_last_line_end(text);
  return text;
}

Result<Prompt> make_prompt(const PromptOptions& options, std::string text, const Tokenizer& tokenizer) {
  if (options.tokens.has_value()) return Prompt{{}, *options.tokens};
  if (text.empty()) {
    return invalid_argument(
        "the prompt is empty: write some text (or the first token's id: --prompt-tokens 1)");
  }
  CAIRN_ASSIGN_OR_RETURN(auto tokens, tokenizer.encode(text, {.bos_eos = BosEos::kOfPrompt}));
  return Prompt{std::move(text), std::move(tokens)};
}

void apply_sampling(const SamplingOptions& options, uint64_t seed, Request& request) {
  request.sampling = {.temperature = options.temperature,
                      .top_p = options.top_p,
                      .min_p = options.min_p,
                      .repetition_penalty = options.repeat_penalty,
                      .frequency_penalty = options.frequency_penalty,
                      .presence_penalty = options.presence_penalty,
                      .logit_bias = options.logit_bias,
                      .seed = options.seed.value_or(seed)};
  if (!is_off_top_k(options.top_k)) request.sampling.top_k = options.top_k;
  apply_ends(options, request);
}

void apply_to_search(const SamplingOptions& options, Request& request) {
  request.sampling = {.repetition_penalty = options.repeat_penalty,
                      .frequency_penalty = options.frequency_penalty,
                      .presence_penalty = options.presence_penalty,
                      .logit_bias = options.logit_bias};
  apply_ends(options, request);
}

Status check_sampling(const SamplingOptions& options) {
  if (options.top_k < -1) {
    return invalid_argument(
        fmt::format("top-k is {}: it must be at least 1, or 0 or -1 for all tokens", options.top_k));
  }
  Request request;
  apply_sampling(options, 0, request);
  if (std::ranges::any_of(request.stop_strings, [](const std::string& stop) { return stop.empty(); })) {
    return invalid_argument("--stop is empty: leave it out");
  }
  return validate(request.sampling, std::numeric_limits<int64_t>::max());
}

// 32 bits: short enough to be typed again.
uint64_t fresh_seed() { return std::random_device()(); }

}  // namespace cairn
