// A page of plots as the text of an SVG file: panels side by side, each with its axes, and lines through medians with
// whiskers from the least to the most that was measured. Pure: plain data in, text out.
//
// The x axis is logarithmic, for what grows by doubling or by tens; a zero stands left of the least x above it. The y axis
// begins at 0. All values are finite and not negative.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

struct PlotPoint {
  int64_t x = 0;
  double median = 0;
  double least = 0;
  double most = 0;
};

struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points;  // by ascending x
};

struct PlotPanel {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<PlotSeries> series;
};

struct PlotPage {
  std::string title;
  std::string subtitle;
  std::vector<PlotPanel> panels;
};

[[nodiscard]] std::string svg_text(const PlotPage& page);

// From 0 to at least `most`: multiples of 1, 2 or 5 times a power of ten, at most seven; of 0, those of 1.
[[nodiscard]] std::vector<double> round_ticks(double most);

// Text as it stands in XML: marks are escaped, and what XML cannot hold (control characters, broken UTF-8) is U+FFFD.
[[nodiscard]] std::string xml_text(std::string_view text);

}  // namespace cairn
