#include "cli/svg_plot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace cairn {
namespace {

// What is wrong with a tag's inside: a name, then attributes with their values in quotes. Empty: nothing.
std::string what_is_wrong_in_tag(std::string_view inside) {
  if (inside.starts_with("/")) inside.remove_prefix(1);
  if (inside.ends_with("/")) inside.remove_suffix(1);
  const auto is_name = [](std::string_view name) {
    return !name.empty() &&
           std::ranges::all_of(name, [](char c) { return std::isalnum(c) != 0 || c == '-'; });
  };
  if (!is_name(inside.substr(0, inside.find(' ')))) return "no name";
  inside.remove_prefix(std::min(inside.find(' '), inside.size()));
  while (!inside.empty()) {
    const size_t quote = inside.find("=\"");
    if (!inside.starts_with(" ") || quote == std::string_view::npos || !is_name(inside.substr(1, quote - 1)))
      return "no attribute: " + std::string(inside);
    const size_t end = inside.find('"', quote + 2);
    if (end == std::string_view::npos) return "no end of a value";
    if (inside.substr(0, end).find_first_of("<>&") != std::string_view::npos) return "a bare mark";
    inside.remove_prefix(end + 1);
  }
  return {};
}

bool is_text(std::string_view text) {
  for (size_t at = text.find_first_of("<>&\""); at != std::string_view::npos;
       at = text.find_first_of("<>&\"", at + 1)) {
    const std::string_view rest = text.substr(at);
    if (!rest.starts_with("&amp;") && !rest.starts_with("&lt;") && !rest.starts_with("&gt;") &&
        !rest.starts_with("&quot;"))
      return false;
  }
  return true;
}

// Every tag that opens closes, in order; a text has no bare mark. Empty: it is well-formed.
std::string what_is_wrong(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = 0; at < xml.size();) {
    const size_t begin = std::min(xml.find('<', at), xml.size());
    const std::string text = xml.substr(at, begin - at);
    if (!is_text(text) || (open.empty() && text.find_first_not_of('\n') != std::string::npos))
      return "text: " + text;
    if (begin == xml.size()) break;
    const size_t end = xml.find('>', begin);
    if (end == std::string::npos) return "a tag does not end";
    const std::string inside = xml.substr(begin + 1, end - begin - 1);
    at = end + 1;
    if (const std::string wrong = what_is_wrong_in_tag(inside); !wrong.empty())
      return wrong + " in " + inside;
    const std::string name = inside.substr(0, inside.find(' '));
    if (name.starts_with("/")) {
      if (open.empty() || "/" + open.back() != name) return "closes nothing: " + inside;
      open.pop_back();
    } else if (!inside.ends_with("/")) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "is left open: " + open.back();
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// All numbers of an attribute, as "cx".
std::vector<double> values_of(const std::string& text, const std::string& name) {
  const std::string attribute = " " + name + "=\"";
  std::vector<double> values;
  for (size_t at = text.find(attribute); at != std::string::npos; at = text.find(attribute, at + 1)) {
    values.push_back(std::stod(text.substr(at + attribute.size())));
  }
  return values;
}

PlotPage page_of(std::vector<PlotPoint> points) {
  return {.title = "Growth",
          .subtitle = "of a test",
          .panels = {
              {.title = "A panel", .x_label = "threads", .y_label = "ms", .series = {{"a token", points}}}}};
}

TEST(SvgPlot, TheCheckOfItsFormCanFail) {
  for (const char* broken : {"<a>", "<a></b>", "</a>", "<a x=1/>", "<a x=\"<\"/>", "<a>&</a>", "<a>\"</a>",
                             "<a x/>", "text", "<a"}) {
    EXPECT_NE(what_is_wrong(broken), "") << broken;
  }
  EXPECT_EQ(what_is_wrong("<a x=\"1\" y-z=\"2 3\"><b/>&lt;</a>\n"), "");
}

TEST(SvgPlot, IsWellFormedAndHasAllOfAPage) {
  PlotPage page = page_of({{1, 4, 3, 6}, {2, 5, 5, 5}, {4, 3, 1, 3}});
  page.panels.resize(3, page.panels[0]);
  page.panels[2].series.push_back({"a step", {{1, 40, 30, 60}}});
  const std::string svg = svg_text(page);
  EXPECT_EQ(what_is_wrong(svg), "") << svg;
  EXPECT_EQ(count_of(svg, "<circle"), 10U);
  EXPECT_EQ(count_of(svg, "<polyline"), 4U);
  EXPECT_EQ(count_of(svg, ">A panel</text>"), 3U);
  EXPECT_EQ(count_of(svg, ">threads</text>"), 3U);
  EXPECT_EQ(count_of(svg, ">ms</text>"), 3U);
  EXPECT_EQ(count_of(svg, ">a step</text>"), 1U);
  EXPECT_EQ(count_of(svg, ">of a test</text>"), 1U);
}

TEST(SvgPlot, PlacesDoublingsEquallyFarAndValuesByTheirHeight) {
  const std::string svg =
      svg_text(page_of({{0, 0, 0, 0}, {1024, 10, 10, 10}, {2048, 20, 20, 20}, {4096, 30, 30, 30}}));
  const std::vector<double> x = values_of(svg, "cx");
  const std::vector<double> y = values_of(svg, "cy");
  ASSERT_EQ(x.size(), 4U);
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_NEAR(x[i] - x[i - 1], x[1] - x[0], 0.2);  // the zero too: one doubling left of the next
    EXPECT_NEAR(y[i] - y[i - 1], y[1] - y[0], 0.2);
  }
  EXPECT_GT(x[1], x[0]);
  EXPECT_LT(y[1], y[0]);
  for (const char* number : {">0</text>", ">1,024</text>", ">4,096</text>", ">30</text>"}) {
    EXPECT_GT(count_of(svg, number), 0U) << number;
  }
}

TEST(SvgPlot, DrawsWhiskersFromTheLeastToTheMost) {
  const std::string svg = svg_text(page_of({{1, 5, 0, 10}}));
  const std::vector<double> y1 = values_of(svg, "y1");
  const std::vector<double> y2 = values_of(svg, "y2");
  const double middle = values_of(svg, "cy").at(0);
  bool is_there = false;
  for (size_t i = 0; i < y1.size(); ++i) {
    is_there |= y1[i] > middle && y2[i] < middle && std::abs(y1[i] - middle - (middle - y2[i])) < 0.2;
  }
  EXPECT_TRUE(is_there) << svg;
}

TEST(SvgPlot, EscapesNames) {
  PlotPage page = page_of({{1, 1, 1, 1}});
  page.title = "a<b> & \"c\"";
  page.subtitle = "model\x01\xff.gguf";
  page.panels[0].series[0].name = "</text><script>";
  page.panels[0].y_label = "\u00b5s";
  const std::string svg = svg_text(page);
  EXPECT_EQ(what_is_wrong(svg), "") << svg;
  EXPECT_EQ(count_of(svg, "<script"), 0U);
  EXPECT_EQ(count_of(svg, "a&lt;b&gt; &amp; &quot;c&quot;"), 2U);
  EXPECT_EQ(count_of(svg, "model\uFFFD\uFFFD.gguf"), 1U);
  EXPECT_EQ(count_of(svg, ">\u00b5s</text>"), 1U);
  EXPECT_EQ(xml_text("\uFFFE\x7f"), "\uFFFD\uFFFD");
}

TEST(SvgPlot, BearsOnePointEqualValuesAndNone) {
  for (const std::vector<PlotPoint>& points : {std::vector<PlotPoint>{{8, 2, 1, 3}},
                                               {{0, 2, 1, 3}},
                                               {{1, 2, 2, 2}, {2, 2, 2, 2}},
                                               {{1, 0, 0, 0}},
                                               {}}) {
    const std::string svg = svg_text(page_of(points));
    EXPECT_EQ(what_is_wrong(svg), "") << svg;
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(svg.find("inf"), std::string::npos);
    for (const double y : values_of(svg, "cy")) EXPECT_TRUE(y > 64 && y < 424) << y;
    for (const double x : values_of(svg, "cx")) EXPECT_TRUE(x > 0 && x < 500) << x;
  }
  EXPECT_EQ(what_is_wrong(svg_text({.title = "none"})), "");
}

TEST(SvgPlot, LeavesOutLabelsThatWouldRunIntoEachOther) {
  std::vector<PlotPoint> points;
  for (int64_t x = 1'000'000; x < 1'000'040; ++x) points.push_back({x, 1, 1, 1});
  const std::string svg = svg_text(page_of(points));
  EXPECT_LT(count_of(svg, ">1,000,0"), 10U);
  EXPECT_GT(count_of(svg, ">1,000,0"), 3U);
}

TEST(RoundTicks, AreRoundAndFewAndReachTheMost) {
  EXPECT_EQ(round_ticks(10), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(round_ticks(6), (std::vector<double>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(round_ticks(601), (std::vector<double>{0, 200, 400, 600, 800}));
  EXPECT_EQ(round_ticks(0), round_ticks(1));
  for (double most = 1e-6; most < 1e9; most *= 1.037) {
    const std::vector<double> ticks = round_ticks(most);
    ASSERT_GE(ticks.size(), 2U) << most;
    ASSERT_LE(ticks.size(), 7U) << most;
    EXPECT_EQ(ticks.front(), 0);
    EXPECT_GE(ticks.back(), most * (1 - 1e-8));
    EXPECT_LT(ticks[ticks.size() - 2], most);  // no tick is in vain
    const double leading = ticks[1] / std::pow(10.0, std::floor(std::log10(ticks[1]) + 1e-9));
    EXPECT_TRUE(std::abs(leading - 1) < 1e-6 || std::abs(leading - 2) < 1e-6 || std::abs(leading - 5) < 1e-6)
        << most << ": " << ticks[1];
  }
}

}  // namespace
}  // namespace cairn
