// The language against python3-jinja2: every construct by hand, and random small templates.
#include <gtest/gtest.h>

#include "text/jinja/vectors_testing.h"

namespace cairn::jinja {
namespace {

void expect_equal_to_python(const std::string& file) {
  const std::vector<SmallCase> cases = read_small_cases(file);
  ASSERT_FALSE(cases.empty());
  for (const SmallCase& each : cases) {
    const Result<std::string> text = render_small(each.source);
    if (each.expected) {
      EXPECT_TRUE(text.ok()) << each.source << "\n" << text.status().message();
      if (text.ok()) {
        EXPECT_EQ(*text, *each.expected) << each.source;
      }
    } else {
      EXPECT_FALSE(text.ok()) << each.source << "\nfails in Jinja, but gives: " << *text;
      if (!text.ok()) {
        EXPECT_FALSE(text.status().message().empty());
      }
    }
  }
}

TEST(JinjaInterpreter, EqualsPythonInEveryConstruct) { expect_equal_to_python("constructs.json"); }

TEST(JinjaInterpreter, EqualsPythonInRandomTemplates) {
  EXPECT_GT(read_small_cases("random.json").size(), 300u);
  expect_equal_to_python("random.json");
}

std::string error_of(const std::string& source) {
  const Result<std::string> text = render_small(source);
  return text.ok() ? "no error: " + *text : text.status().message();
}

TEST(JinjaInterpreter, NamesTheLineAndWhatIsWrong) {
  EXPECT_EQ(error_of("a\n{{ nothing.x }}"), "line 2 of the chat template: 'nothing' is undefined");
  EXPECT_EQ(error_of("\n\n{% if 1 %}\n{{ 1 + 'a' }}{% endif %}"),
            "line 4 of the chat template: '+' does not work between a value of type int and one of type str");
  EXPECT_EQ(error_of("{{ x | sparkle }}"),
            "line 1 of the chat template: the filter 'sparkle' is not supported");
  EXPECT_EQ(error_of("x\n{% include 'y' %}"),
            "line 2 of the chat template: the block {% include %} is not supported");
  EXPECT_EQ(error_of("{% macro f() %}\n{{ 1 / 0 }}\n{% endmacro %}\n\n{{ f() }}"),
            "line 2 of the chat template: division by zero");
  EXPECT_EQ(error_of("{% for x in messages %}\n"),
            "line 1 of the chat template: a block is not closed: {% endfor %} is missing");
}

// What Jinja or Python has and Cairn does not is never passed over.
TEST(JinjaInterpreter, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(error_of("a\n{% macro f() %}{{ varargs }}{% endmacro %}"),
            "line 2 of the chat template: 'varargs', further arguments of a macro, is not supported");
  EXPECT_EQ(error_of("{% macro f() %}{% call f() %}{{ kwargs }}{% endcall %}{% endmacro %}"),
            "line 1 of the chat template: 'kwargs', further arguments of a macro, is not supported");
  EXPECT_EQ(error_of("\n{{ cycler('a', 'b') }}"), "line 2 of the chat template: 'cycler' is not supported");
  EXPECT_EQ(error_of("{{ 'a'.swapcase() }}"),
            "line 1 of the chat template: the method 'swapcase' of a string is not supported");
  EXPECT_EQ(error_of("{{ {}.copy() }}"),
            "line 1 of the chat template: the method 'copy' of a dict is not supported");
  EXPECT_EQ(error_of("{{ [1] | groupby('a') }}"),
            "line 1 of the chat template: the filter 'groupby' is not supported");
  EXPECT_EQ(error_of("{{ '%a' % 1 }}"), "line 1 of the chat template: '%a' in a format is not supported");
  EXPECT_EQ(error_of("{{ '{!a}'.format(1) }}"),
            "line 1 of the chat template: '!a' in a format is not supported");
  EXPECT_EQ(error_of("{{ '{:08,}'.format(1) }}"),
            "line 1 of the chat template: a format that fills a grouped number up is not supported");
}

TEST(JinjaInterpreter, PlacesOfFormatsMustBeGiven) {
  EXPECT_NE(error_of("{{ '{99999999999999999999}'.format('Q') }}").find("not enough arguments"),
            std::string::npos);
  EXPECT_EQ(*render_small("{{ '[%.0c]' % 'a' }}[{{ '%3c' % 98 }}]"), "[a][  b]");
}

TEST(JinjaInterpreter, CannotBeMadeToHang) {
  EXPECT_NE(error_of("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}").find("too deeply"),
            std::string::npos);
  EXPECT_NE(error_of("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
                .find("too much"),
            std::string::npos);
  EXPECT_NE(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").find("too deeply"),
            std::string::npos);
  EXPECT_NE(
      error_of("{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}").find("too deeply"),
      std::string::npos);
  const std::string needle = "{% set s = 'a' * 2000000 %}{% set n = 'a' * 1000000 ~ 'b' %}";
  EXPECT_FALSE(render_small(needle + "{% for i in range(99999) %}{{ n in s }}{% endfor %}").ok());
  EXPECT_FALSE(render_small(needle + "{% for i in range(99999) %}{{ s.rfind(n) }}{% endfor %}").ok());
}

TEST(JinjaInterpreter, CannotBeMadeToFillMemory) {
  EXPECT_NE(error_of("{{ 'a' * 999999999999 }}").find("too"), std::string::npos);
  EXPECT_NE(error_of("{{ [1] * 999999999 * 999999999 }}").find("too"), std::string::npos);
  for (const char* wide :
       {"'a'.center(999999999999)", "'a'.zfill(999999999)", "'%999999999999999999999d' % 1",
        "'%*d' % (99999999, 1)", "'%.*f' % (99999999, 1)", "'{:99999999}'.format(1)",
        "'{:.99999999f}'.format(1)", "'{:{}}'.format(1, 99999999)", "[1] | slice(99999999) | list",
        "[1] | batch(99999999999, 1) | list"}) {
    EXPECT_FALSE(render_small(std::string("{{ ") + wide + " }}").ok()) << wide;
  }
  EXPECT_NE(error_of("{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}"
                     "{% endfor %}")
                .find("too much"),
            std::string::npos);
  EXPECT_NE(error_of("{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}"
                     "{% endfor %}{{ ns.s }}")
                .find("too"),
            std::string::npos);
  EXPECT_NE(error_of("{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}"
                     "{% endfor %}{{ ns.s == ns.s ~ '' }}")
                .find("too much"),
            std::string::npos);
  EXPECT_NE(error_of("{% for i in range(99999) %}{% for j in range(9) %}" + std::string(1000, 'x') +
                     "{% endfor %}{% endfor %}")
                .find("too much"),
            std::string::npos);
  EXPECT_NE(error_of("{{ messages | tojson(indent=999999999) }}").find("32"), std::string::npos);
}

TEST(JinjaInterpreter, RefusesWhatWouldFormACycle) {
  EXPECT_FALSE(render_small("{% set ns = namespace() %}{% set ns.self = ns %}").ok());
  EXPECT_FALSE(render_small("{% set ns = namespace() %}{% set ns.list = [ns] %}").ok());
  EXPECT_FALSE(render_small("{% macro f() %}{% endmacro %}{% set ns = namespace(f=f) %}").ok());
}

TEST(JinjaParser, RefusesWhatIsNestedTooDeep) {
  const auto repeat = [](const std::string& s, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += s;
    return out;
  };
  EXPECT_FALSE(ChatTemplate::parse("{{ " + repeat("(", 100000) + " }}").ok());
  EXPECT_FALSE(ChatTemplate::parse("{{ " + repeat("[", 100000) + repeat("]", 100000) + " }}").ok());
  EXPECT_FALSE(ChatTemplate::parse("{{ " + repeat("not ", 100000) + "1 }}").ok());
  EXPECT_FALSE(ChatTemplate::parse("{{ " + repeat("-", 100000) + "1 }}").ok());
  EXPECT_FALSE(ChatTemplate::parse("{{ 1" + repeat(" + 1", 100000) + " }}").ok());
  EXPECT_FALSE(ChatTemplate::parse("{{ 1" + repeat("|string", 100000) + " }}").ok());
  EXPECT_FALSE(ChatTemplate::parse("{{ a" + repeat(".a", 100000) + " }}").ok());
  EXPECT_FALSE(ChatTemplate::parse("{{ 1" + repeat(" if 1 else 1", 50000) + " }}").ok());
  EXPECT_FALSE(ChatTemplate::parse(repeat("{% if 1 %}", 10000) + repeat("{% endif %}", 10000)).ok());
  EXPECT_FALSE(ChatTemplate::parse(repeat("a", 2 << 20)).ok());
  EXPECT_TRUE(ChatTemplate::parse("{{ 1" + repeat(" + 1", 100) + " }}").ok());
}

}  // namespace
}  // namespace cairn::jinja
