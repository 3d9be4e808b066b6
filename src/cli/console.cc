#include "cli/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace cairn {
namespace {

struct FlagName {
  std::string_view option;  // as LlmOptions and AttentionCacheOptions name it
  std::string_view flag;
};

constexpr std::array<FlagName, 14> kFlagNames{{{"context", "--context"},
                                               {"extend_context", "--extend-context"},
                                               {"kv_plan", "--kv"},
                                               {"kv_memory_bytes", "--kv-memory"},
                                               {"prefill_chunk", "--prefill-chunk"},
                                               {"thread_count", "--threads"},
                                               {"isa", "--isa"},
                                               {"pre", "--pre"},
                                               {"prefix_sharing", "--no-sharing"},
                                               {"storage", "--cache"},
                                               {"host", "--host"},
                                               {"port", "--port"},
                                               {"certificate", "--tls-cert"},
                                               {"chat_template", "--chat-template"}}};

constexpr std::string_view kClearLine = "\r\x1b[K";
constexpr std::string_view kPlain = "\x1b[0m";

std::string_view code_of(Console::Style style) {
  switch (style) {
    case Console::Style::kBold: return "\x1b[1m";
    case Console::Style::kDim: return "\x1b[2m";
    case Console::Style::kGreen: return "\x1b[32m";
    case Console::Style::kRed: return "\x1b[31m";
  }
  return {};
}

// 0, or errno.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

// A terminal obeys the C0 and C1 control characters (C1: C2 80 to C2 9F in UTF-8).
std::string without_commands(std::string_view text) {
  std::string safe;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) {
      ++i;
    } else if ((byte >= 0x20 && byte != 0x7F) || byte == '\n' || byte == '\t') {
      safe += text[i];
    }
  }
  return safe;
}

size_t columns_of_terminal(int fd) {
  winsize size{};
  const bool known = ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

std::string with_flags(std::string_view message) {
  constexpr char kQuote = '`';
  std::string text;
  while (true) {
    const size_t begin = message.find(kQuote);
    const size_t end = begin == std::string_view::npos ? begin : message.find(kQuote, begin + 1);
    if (end == std::string_view::npos) return text.append(message);
    const std::string_view name = message.substr(begin + 1, end - begin - 1);
    const auto* known = std::ranges::find(kFlagNames, name, &FlagName::option);
    // The second quote may open the next name, where the first one stood alone.
    const size_t taken = known == kFlagNames.end() ? end : end + 1;
    text.append(message.substr(0, known == kFlagNames.end() ? end : begin));
    if (known != kFlagNames.end()) text.append(known->flag);
    message.remove_prefix(taken);
  }
}

Status with_flag(const Status& status, std::string_view option, std::string_view flag) {
  const std::string quoted = fmt::format("`{}`", option);
  std::string message = status.message();
  for (size_t at = message.find(quoted); at != std::string::npos;
       at = message.find(quoted, at + flag.size())) {
    message.replace(at, quoted.size(), flag);
  }
  return {status.code(), std::move(message)};
}

Console::Console(Colours colours, int out_fd, int err_fd, Commands commands)
    : out_fd_(out_fd),
      err_fd_(err_fd),
      out_is_terminal_(::isatty(out_fd) == 1),
      err_is_terminal_(::isatty(err_fd) == 1),
      colours_(colours == Colours::kOnTerminals && commands == Commands::kAreObeyed),
      bars_(err_is_terminal_ && commands == Commands::kAreObeyed) {}

bool Console::write(std::string_view text) {
  if (!out_status_.ok()) return false;
  if (bar_is_shown_ && out_is_terminal_) write_error("");  // else the text would follow the bar
  const int error = write_all(out_fd_, text);
  if (error == 0) return true;
  out_status_ = error == EPIPE
                    ? internal_error("the reader of the output has gone (broken pipe): stopped")
                    : resource_exhausted(fmt::format("cannot write the output: {}", std::strerror(error)));
  return false;
}

bool Console::write_foreign(std::string_view text) {
  return out_is_terminal_ ? write(without_commands(text)) : write(text);
}

bool Console::write_opening(std::string_view text) {
  if (text.empty()) return true;
  return write(out_is_terminal_ ? styled(Style::kBold, without_commands(text)) : std::string(text));
}

void Console::note(std::string_view line) { write_error(fmt::format("{}\n", line)); }

void Console::error(std::string_view message) {
  const bool red = colours_ && err_is_terminal_;
  write_error(fmt::format("{}cairn:{} {}\n", red ? code_of(Style::kRed) : "", red ? kPlain : "", message));
}

void Console::error(const Status& status) { error(with_flags(status.message())); }

void Console::ask(std::string_view text) { write_error(text); }

std::string Console::styled(Style style, std::string_view text) const {
  if (!colours_ || !out_is_terminal_) return std::string(text);
  return fmt::format("{}{}{}", code_of(style), text, kPlain);
}

void Console::write_error(std::string_view text) {
  if (bar_is_shown_) (void)write_all(err_fd_, kClearLine);
  bar_is_shown_ = false;
  (void)write_all(err_fd_, text);
}

ProgressBar::ProgressBar(Console& console, std::string_view label) : console_(console), label_(label) {}
ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::update(uint64_t done, uint64_t total) {
  constexpr uint64_t kRedrawNs = 100'000'000;
  if (!console_.bars_ || total == 0) return;
  const uint64_t now_ns = SteadyClock().now_ns();
  if (shown_ns_ != 0 && now_ns - shown_ns_ < kRedrawNs) return;
  shown_ns_ = now_ns;

  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const std::string head = fmt::format("{} {:3.0f} % ", label_, share * 100);
  const size_t room = columns_of_terminal(console_.err_fd_);
  const size_t width = room > head.size() + 4 ? std::min<size_t>(40, room - head.size() - 3) : 0;
  const auto filled = static_cast<size_t>(share * static_cast<double>(width));
  console_.write_error(
      fmt::format("\r{}[{}{}]", head, std::string(filled, '#'), std::string(width - filled, ' ')));
  console_.bar_is_shown_ = true;
}

void ProgressBar::clear() {
  if (console_.bar_is_shown_) console_.write_error("");
}

}  // namespace cairn
