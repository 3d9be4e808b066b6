#include "cli/man_page.h"

#include <gtest/gtest.h>

#include <array>
#include <iterator>
#include <set>
#include <sstream>

#include "cli/parse.h"

namespace cairn {
namespace {

using Words = std::vector<std::string>;

std::string shown(const Words& words) {
  const auto command = parse_command(words);
  EXPECT_TRUE(command.ok()) << command.status().message();
  return command.ok() ? std::get<ShowText>(*command).text : "";
}

TEST(ManPage, WritesWhatHelpSays) {
  const std::array pages{HelpPage{"test",
                                  "Tests.\nUsage: cairn test [options]\n\nOptions:\n"
                                  "  -m,--model PATH        What's a \\ model\n"
                                  "  --long-name NAME (not with --other)\n"
                                  "                         Its text\n\n"
                                  "Examples:\n  cairn test -m x\nMore words,\nand more.\n.hidden\n"}};
  const std::string page = man_page("overview\n", pages);
  for (const char* part : {
           ".SS cairn test\n.PP\nTests.\n.PP\n\\fBcairn test [options]\\fR\n",
           ".TP\n\\fB\\-m,\\-\\-model PATH\\fR\nWhat\\(aqs a \\e model\n",
           ".TP\n\\fB\\-\\-long\\-name NAME (not with \\-\\-other)\\fR\nIts text\n",
           "\\fBExamples:\\fR\n.PP\n.nf\n  cairn test \\-m x\n.fi\n.PP\nMore words,\nand more.\n\\&.hidden\n",
       }) {
    EXPECT_NE(page.find(part), std::string::npos) << part << "\nis not in\n" << page;
  }
}

TEST(ManPage, HasEveryCommandAndEveryOptionOfTheHelp) {
  std::string page = shown({"help", "--man"});
  for (size_t at = 0; (at = page.find("\\-", at)) != std::string::npos;) page.replace(at, 2, "-");
  const Words commands{"generate",     "chat",         "tokenize",    "model",        "plan",
                       "verify",       "bench",        "serve",       "explain",      "key",
                       "cache",        "cache list",   "cache stats", "cache verify", "cache export",
                       "cache import", "cache pin",    "cache unpin", "cache clear",  "bench speed",
                       "bench depth",  "bench growth", "bench tiers"};
  std::set<std::string> options;
  for (const std::string& command : commands) {
    EXPECT_NE(page.find(".SS cairn " + command + "\n"), std::string::npos) << command;
    std::istringstream parts(command);
    Words words{std::istream_iterator<std::string>(parts), {}};
    words.emplace_back("--help");
    std::istringstream lines(shown(words));
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("  -")) continue;
      const std::string name = line.substr(2, line.find("  ", 2) - 2);
      options.insert(name);
      EXPECT_NE(page.find(".TP\n\\fB" + name + "\\fR\n"), std::string::npos) << name;
    }
  }
  EXPECT_GT(options.size(), 40U);
}

// Every line is text or a macro that there is, and what opens is closed.
TEST(ManPage, IsWellFormed) {
  const std::set<std::string> macros{".TH", ".nh", ".ad", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi"};
  std::istringstream lines(shown({"help", "--man"}));
  bool is_verbatim = false;
  int sections = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_FALSE(line.starts_with('\'')) << line;
    EXPECT_EQ(line.find('\t'), std::string::npos) << line;
    if (!line.starts_with('.')) continue;
    const std::string macro = line.substr(0, line.find(' '));
    EXPECT_TRUE(macros.contains(macro)) << line;
    EXPECT_EQ(is_verbatim, macro == ".fi") << line;
    if (macro == ".nf") is_verbatim = true;
    if (macro == ".fi") is_verbatim = false;
    sections += macro == ".SH" ? 1 : 0;
  }
  EXPECT_FALSE(is_verbatim);
  EXPECT_EQ(sections, 6);
}

}  // namespace
}  // namespace cairn
