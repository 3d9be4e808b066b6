#include "cli/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "cli/key_decoder.h"
#include "cli/line_history.h"

namespace cairn {
namespace {

// A signal handler can share nothing else with the program.
volatile std::sig_atomic_t size_changed = 0;
void on_size_change(int) { size_changed = 1; }

// After a stop (Ctrl-Z): the shell has given the terminal settings of its own.
volatile std::sig_atomic_t continued = 0;
void on_continue(int) { continued = 1; }

// The editor draws characters as the locale spells them.
void use_utf8() {
  const char* name = std::setlocale(LC_CTYPE, "");
  if (name == nullptr || std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
    (void)std::setlocale(LC_CTYPE, "C.UTF-8");
}

bool obeys_escape_sequences() {
  const char* term = std::getenv("TERM");
  return term != nullptr && *term != '\0' && std::strcmp(term, "dumb") != 0;
}

std::wstring wide(std::string_view text) {
  std::wstring out;
  for (const std::string_view character : characters_of(text)) {
    out += static_cast<wchar_t>(first_character(character).code);
  }
  return out;
}

std::string narrow(std::wstring_view text) {
  std::string out;
  for (const wchar_t c : text) append_utf8(out, static_cast<char32_t>(c));
  return out;
}

struct Closes {
  void operator()(FILE* file) const { std::fclose(file); }
  void operator()(HistoryW* history) const { history_wend(history); }
  void operator()(EditLine* editor) const { el_end(editor); }
};

// The editor goes first: it uses the others.
struct Handles {
  std::unique_ptr<FILE, Closes> in;
  std::unique_ptr<FILE, Closes> out;
  std::unique_ptr<HistoryW, Closes> history;
  std::unique_ptr<EditLine, Closes> editor;
};

// Absent: there is no memory for them, or no file descriptor left.
std::optional<Handles> open_handles(int in_fd, int out_fd) {
  Handles handles;
  handles.in.reset(::fdopen(::dup(in_fd), "r"));
  handles.out.reset(::fdopen(::dup(out_fd), "w"));
  if (handles.in == nullptr || handles.out == nullptr) return std::nullopt;
  handles.history.reset(history_winit());
  handles.editor.reset(el_init("cairn", handles.in.get(), handles.out.get(), handles.out.get()));
  if (handles.history == nullptr || handles.editor == nullptr) return std::nullopt;
  return handles;
}

}  // namespace

// libedit, and the terminal that it reads and draws on.
class LineEditor::Terminal {
 public:
  using Event = LineSource::Event;

  Terminal(Handles handles, int in_fd, int wake_fd);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void remember(std::string_view line);
  // One line, without its line end.
  Event read(const wchar_t* prompt, std::string& line);

 private:
  static Terminal& of(EditLine* editor);
  static wchar_t* prompt_of(EditLine* editor) { return const_cast<wchar_t*>(of(editor).prompt_); }
  static int next_key(EditLine* editor, wchar_t* key) { return of(editor).next_key(key); }
  static unsigned char insert_paste(EditLine* editor, wint_t);
  static unsigned char insert_line_end(EditLine* editor, wint_t);

  void bind_keys();
  void take_terminal_again();
  int next_key(wchar_t* key);
  bool get_bytes();

  int in_fd_;
  int wake_fd_;
  Handles handles_;
  FILE* out_ = handles_.out.get();
  EditLine* editor_ = handles_.editor.get();
  HistoryW* history_ = handles_.history.get();
  bool asks_for_pastes_ = obeys_escape_sequences();
  struct sigaction before_size_change_{};
  struct sigaction before_continue_{};
  KeyDecoder keys_;
  const wchar_t* prompt_ = L"";
  Event event_ = Event::kLine;
};

LineEditor::Terminal::Terminal(Handles handles, int in_fd, int wake_fd)
    : in_fd_(in_fd), wake_fd_(wake_fd), handles_(std::move(handles)) {
  el_wset(editor_, EL_CLIENTDATA, this);
  el_wset(editor_, EL_GETCFN, static_cast<int (*)(EditLine*, wchar_t*)>(next_key));
  el_wset(editor_, EL_PROMPT, prompt_of);
  el_wset(editor_, EL_EDITOR, L"emacs");
  el_wset(editor_, EL_EDITMODE, 1);  // libedit gives up for some values of TERM
  el_wset(editor_, EL_SIGNAL, 0);
  HistEventW ignored;
  history_w(history_, &ignored, H_SETSIZE, static_cast<int>(kHistoryLinesMax));
  el_wset(editor_, EL_HIST, history_w, history_);
  bind_keys();

  struct sigaction action{};
  action.sa_handler = on_size_change;  // without SA_RESTART: a waiting poll returns EINTR
  sigemptyset(&action.sa_mask);
  sigaction(SIGWINCH, &action, &before_size_change_);
  action.sa_handler = on_continue;
  sigaction(SIGCONT, &action, &before_continue_);
  if (asks_for_pastes_) std::fputs("\x1b[?2004h", out_);
  std::fflush(out_);
}

LineEditor::Terminal::~Terminal() {
  if (asks_for_pastes_) std::fputs("\x1b[?2004l", out_);
  std::fflush(out_);
  sigaction(SIGWINCH, &before_size_change_, nullptr);
  sigaction(SIGCONT, &before_continue_, nullptr);
}

void LineEditor::Terminal::bind_keys() {
  el_wset(editor_, EL_ADDFN, L"cairn-paste", L"Insert what was pasted", insert_paste);
  el_wset(editor_, EL_ADDFN, L"cairn-line-end", L"Insert a line end", insert_line_end);
  const std::wstring paste = wide(kPasteKey);
  const std::wstring line_end = wide(kNewLineKey);
  const std::wstring delete_key = wide(kDeleteKey);
  const auto bind = [&](const wchar_t* key, const wchar_t* function) {
    el_wset(editor_, EL_BIND, key, function, nullptr);
  };
  bind(paste.c_str(), L"cairn-paste");
  bind(line_end.c_str(), L"cairn-line-end");
  bind(delete_key.c_str(), L"ed-delete-next-char");
  bind(L"^I", L"ed-insert");
  bind(L"^R", L"em-inc-search-prev");
  bind(L"^W", L"ed-delete-prev-word");
  // The line ends of a paste come as they are, and keys are neither echoed nor gathered into lines while a reply is
  // written.
  el_wset(editor_, EL_SETTY, L"-d", L"-icrnl", L"-inlcr", nullptr);
  el_wset(editor_, EL_SETTY, L"-x", L"-icrnl", L"-inlcr", L"-icanon", L"-echo", nullptr);
}

// libedit sets only what it believes to have changed.
void LineEditor::Terminal::take_terminal_again() {
  el_wset(editor_, EL_PREP_TERM, 0);
  el_wset(editor_, EL_PREP_TERM, 1);
  if (asks_for_pastes_) std::fputs("\x1b[?2004h", out_);
  el_wset(editor_, EL_REFRESH);
  std::fflush(out_);
}

LineEditor::Terminal& LineEditor::Terminal::of(EditLine* editor) {
  void* self = nullptr;
  el_wget(editor, EL_CLIENTDATA, &self);
  return *static_cast<Terminal*>(self);
}

unsigned char LineEditor::Terminal::insert_paste(EditLine* editor, wint_t) {
  const std::wstring text = wide(of(editor).keys_.take_paste());
  return el_winsertstr(editor, text.c_str()) == 0 || text.empty() ? CC_REFRESH : CC_ERROR;
}

unsigned char LineEditor::Terminal::insert_line_end(EditLine* editor, wint_t) {
  return el_winsertstr(editor, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
}

void LineEditor::Terminal::remember(std::string_view line) {
  HistEventW ignored;
  history_w(history_, &ignored, H_ENTER, wide(line).c_str());
}

LineSource::Event LineEditor::Terminal::read(const wchar_t* prompt, std::string& line) {
  prompt_ = prompt;
  event_ = Event::kLine;
  int count = 0;
  const wchar_t* text = el_wgets(editor_, &count);
  if (text == nullptr || count <= 0) {
    if (event_ == Event::kLine) event_ = Event::kEnd;  // Ctrl-D
    std::fputc('\n', out_);
    std::fflush(out_);
    return event_;
  }
  line = narrow({text, static_cast<size_t>(count)});
  if (line.ends_with('\n')) line.pop_back();
  return Event::kLine;
}

// As libedit wants it: 1, or nothing more comes.
int LineEditor::Terminal::next_key(wchar_t* key) {
  while (true) {
    if (const auto next = keys_.next()) {
      *key = static_cast<wchar_t>(*next);
      return 1;
    }
    if (!get_bytes()) return -1;
  }
}

bool LineEditor::Terminal::get_bytes() {
  if (std::exchange(continued, 0) != 0) take_terminal_again();
  constexpr int kSequenceMs = 50;  // the bytes of one key follow each other faster, also over a network
  std::array<pollfd, 2> both{{{in_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
  const int ready = ::poll(both.data(), both.size(), keys_.is_in_sequence() ? kSequenceMs : -1);
  if (std::exchange(size_changed, 0) != 0) el_resize(editor_);
  if (ready == 0) keys_.end_sequence();
  if (ready == 0 || (ready < 0 && errno == EINTR)) return true;
  if (both[1].revents != 0) {
    const LineInfoW* begun = el_wline(editor_);
    event_ = begun->lastchar == begun->buffer ? Event::kInterrupted : Event::kDropped;
    keys_.clear();
    return false;
  }
  std::array<char, 4096> bytes;
  const ssize_t got = ready < 0 ? -1 : ::read(in_fd_, bytes.data(), bytes.size());
  if (got < 0 && errno == EINTR) return true;
  if (got > 0) keys_.push({bytes.data(), static_cast<size_t>(got)});
  if (got <= 0) event_ = Event::kEnd;  // the terminal has gone
  return got > 0;
}

LineEditor::LineEditor(std::unique_ptr<Terminal> terminal, LineHistory& history)
    : terminal_(std::move(terminal)), history_(history) {
  for (const std::string& line : history_.lines()) terminal_->remember(line);
}

LineEditor::~LineEditor() = default;

std::unique_ptr<LineEditor> LineEditor::create(int in_fd, std::initializer_list<int> out_fds, int wake_fd,
                                               LineHistory& history) {
  if (::isatty(in_fd) != 1) return nullptr;
  for (const int out_fd : out_fds) {
    if (::isatty(out_fd) != 1) continue;
    use_utf8();
    auto handles = open_handles(in_fd, out_fd);
    if (!handles.has_value()) return nullptr;
    auto terminal = std::make_unique<Terminal>(std::move(*handles), in_fd, wake_fd);
    return std::unique_ptr<LineEditor>(new LineEditor(std::move(terminal), history));
  }
  return nullptr;
}

LineSource::Event LineEditor::read(std::string& line) {
  line.clear();
  const wchar_t* prompt = L"> ";
  while (true) {
    std::string part;
    const Event event = terminal_->read(prompt, part);
    if (event == Event::kInterrupted && !line.empty()) return Event::kDropped;
    if (event != Event::kLine) return event;
    const bool goes_on = part.ends_with('\\');
    if (goes_on) part.pop_back();
    line += part;
    if (!goes_on) break;
    line += '\n';
    prompt = L". ";
  }
  const size_t count_before = history_.lines().size();
  if (line.find_first_not_of(" \t\n") != std::string::npos) history_.add(line);
  if (history_.lines().size() != count_before) terminal_->remember(line);
  return Event::kLine;
}

}  // namespace cairn
