#include "cli/man_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/help_text.h"

namespace cairn {
namespace {

constexpr std::string_view kBlank = " ";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// Text that the formatter leaves as it is.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";  // else it becomes a hyphen, which no shell takes
    } else if (c == '\'') {
      out += "\\(aq";
    } else {
      out += c;
    }
  }
  return out.starts_with('.') ? "\\&" + out : out;
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  return begin == std::string_view::npos ? "" : std::string(text.substr(begin));
}

// How lines of help stand on the page.
class Writer {
 public:
  void heading(std::string_view text) { block(fmt::format(".SH {}", text)); }
  void subheading(std::string_view text) { block(fmt::format(".SS {}", plain(text))); }
  void paragraph(std::string_view text) {
    block(".PP");
    out_ += plain(text) + "\n";
  }
  void bold(std::string_view text) {
    block(".PP");
    out_ += "\\fB" + plain(text) + "\\fR\n";
  }
  // A name, and what it is.
  void item(std::string_view name, std::string_view what) {
    block(".TP");
    out_ += "\\fB" + plain(name) + "\\fR\n" + plain(what) + "\n";
  }
  // As it stands, line by line.
  void verbatim(std::string_view line) {
    if (!is_verbatim_) {
      block(".PP");
      out_ += ".nf\n";
      is_verbatim_ = true;
    }
    out_ += plain(line) + "\n";
  }
  void more(std::string_view text) { out_ += plain(text) + "\n"; }
  [[nodiscard]] std::string take() {
    end_verbatim();
    return std::move(out_);
  }

 private:
  void block(const std::string& macro) {
    end_verbatim();
    out_ += macro + "\n";
  }
  void end_verbatim() {
    if (is_verbatim_) out_ += ".fi\n";
    is_verbatim_ = false;
  }

  std::string out_;
  bool is_verbatim_ = false;
};

bool is_heading(const std::string& line) { return !line.starts_with(' ') && line.ends_with(':'); }

// Which lines follow a heading.
enum class Part : uint8_t { kText, kItems, kExamples };

Part part_of(const std::vector<std::string>& lines, size_t heading) {
  const bool is_last = heading + 1 >= lines.size();
  if (lines[heading] == "Positionals:") return Part::kItems;
  return !is_last && lines[heading + 1].starts_with("  -") ? Part::kItems : Part::kExamples;
}

// "  -m,--model PATH        GGUF file ...", or with the second half on the next line.
size_t write_item(const std::vector<std::string>& lines, size_t at, Writer& page) {
  const std::string name = trimmed(lines[at]);
  const size_t gap = name.find("  ");
  if (gap != std::string::npos) {
    page.item(name.substr(0, gap), trimmed(name.substr(gap)));
    return at + 1;
  }
  const bool goes_on = at + 1 < lines.size() && lines[at + 1].starts_with("      ");
  page.item(name, goes_on ? trimmed(lines[at + 1]) : "");
  return at + (goes_on ? 2 : 1);
}

void write_help(const HelpPage& help, Writer& page) {
  page.subheading("cairn " + help.name);
  const std::vector<std::string> lines = lines_of(help.text);
  Part part = Part::kText;
  bool continues = false;  // the line before is text of the same paragraph
  for (size_t at = 0; at < lines.size();) {
    const std::string& line = lines[at];
    const bool was_text = continues;
    continues = false;
    if (line.empty()) {
      part = Part::kText;
    } else if (line.starts_with("Usage: ")) {
      page.bold(line.substr(7));
    } else if (is_heading(line)) {
      part = part_of(lines, at);
      page.bold(line);
    } else if (part == Part::kItems && line.starts_with("  ")) {
      at = write_item(lines, at, page);
      continue;
    } else if (line.starts_with("  ")) {
      page.verbatim(line);
    } else {
      was_text ? page.more(line) : page.paragraph(line);
      continues = true;
    }
    ++at;
  }
}

}  // namespace

std::string man_page(const std::string& overview, std::span<const HelpPage> pages) {
  std::string version = version_text();
  version.pop_back();
  Writer page;
  page.heading("NAME");
  page.more("cairn - runs language models on this machine's processor");
  page.heading("SYNOPSIS");
  page.bold("cairn COMMAND [options]");
  page.heading("DESCRIPTION");
  bool continues = false;
  for (const std::string& line : lines_of(overview)) {
    const bool is_text = !line.empty() && !line.starts_with("  ");
    if (is_text) {
      continues ? page.more(line) : page.paragraph(line);
    } else if (!line.empty()) {
      page.verbatim(line);
    }
    continues = is_text;
  }
  page.heading("COMMANDS");
  for (const HelpPage& each : pages) write_help(each, page);
  page.heading("EXIT STATUS");
  page.item("0", "Done.");
  page.item("1", "A file, the machine or the model is at fault.");
  page.item("2", "The request makes no sense: an option, an empty prompt, invalid UTF-8.");
  page.item("130", "Stopped by Ctrl-C or another signal that asks for an end.");
  page.heading("ENVIRONMENT");
  page.item("CAIRN_DEMO_MODEL", "Where the demo model is.");
  page.item("NO_COLOR", "Where it is set, no colours are used.");
  page.item("XDG_STATE_HOME", "Below it, cairn chat keeps what was typed (default: ~/.local/state).");
  // Neither hyphens in words nor wide gaps between them: names of options stand in the text.
  return fmt::format(".TH CAIRN 1 \"\" \"{}\" \"User Commands\"\n.nh\n.ad l\n", version) + page.take();
}

}  // namespace cairn
