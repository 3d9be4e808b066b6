#include "cli/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/utf8.h"
#include "cli/output_format.h"

namespace cairn {
namespace {

// In pixels of the file; a viewer scales them.
constexpr double kPanelWidth = 500;
constexpr double kPanelHeight = 360;
constexpr double kHeadHeight = 64;  // of the page's titles
constexpr int kColumns = 2;
constexpr double kLeft = 66;  // of a panel, around what is plotted
constexpr double kRight = 24;
constexpr double kTop = 34;
constexpr double kBottom = 52;
constexpr double kLegendLine = 16;
constexpr double kDigitWidth = 6.5;  // of the labels, about
constexpr double kDodge = 4;         // whiskers of two series at one x stand beside each other

// Told apart by who sees few colours too (Okabe and Ito's).
constexpr std::array<std::string_view, 4> kColours{"#0072B2", "#D55E00", "#009E73", "#CC79A7"};

struct Rectangle {
  double left = 0, top = 0, right = 0, bottom = 0;
};

// Places on the x axis, in doublings.
class XScale {
 public:
  explicit XScale(const PlotPanel& panel) {
    for (const PlotSeries& series : panel.series) {
      for (const PlotPoint& point : series.points) values_.push_back(point.x);
    }
    std::ranges::sort(values_);
    const auto same = std::ranges::unique(values_);
    values_.erase(same.begin(), same.end());
    const auto above = std::ranges::upper_bound(values_, 0);
    if (above != values_.end()) least_ = *above;
  }

  // Every x that is plotted.
  [[nodiscard]] const std::vector<int64_t>& values() const { return values_; }
  [[nodiscard]] double place(int64_t x, const Rectangle& in) const {
    const double first = doublings(values_.front());
    const double last = doublings(values_.back());
    const double share = last > first ? (doublings(x) - first) / (last - first) : 0.5;
    constexpr double kInset = 0.04;  // so that no whisker stands on the axis
    return in.left + (in.right - in.left) * (kInset + (1 - 2 * kInset) * share);
  }

 private:
  [[nodiscard]] double doublings(int64_t x) const {
    return x > 0 ? std::log2(static_cast<double>(x)) : std::log2(static_cast<double>(least_)) - 1;
  }

  std::vector<int64_t> values_;
  int64_t least_ = 1;
};

std::string line(double x1, double y1, double x2, double y2, std::string_view colour) {
  return fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}"/>)"
                     "\n",
                     x1, y1, x2, y2, colour);
}

// `more`: further attributes.
std::string label(double x, double y, std::string_view anchor, std::string_view text,
                  std::string_view more = {}) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>)"
                     "\n",
                     x, y, anchor, more, xml_text(text));
}

// As many decimals as the step between ticks has.
std::string tick_text(double tick, double step) {
  const int decimals = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
  return decimals == 0 ? grouped(static_cast<uint64_t>(std::llround(tick)))
                       : fmt::format("{:.{}f}", tick, decimals);
}

class PanelDrawing {
 public:
  PanelDrawing(const PlotPanel& panel, double left, double top)
      : panel_(panel),
        left_(left),
        top_(top),
        in_{.left = left + kLeft,
            .top = top + kTop + kLegendLine * static_cast<double>(panel.series.size()),
            .right = left + kPanelWidth - kRight,
            .bottom = top + kPanelHeight - kBottom},
        x_(panel) {
    double most = 0;
    for (const PlotSeries& series : panel.series) {
      for (const PlotPoint& point : series.points) most = std::max(most, point.most);
    }
    ticks_ = round_ticks(most);
  }

  [[nodiscard]] std::string text() const {
    std::string text =
        label(left_ + kLeft, top_ + 16, "start", panel_.title, R"( font-size="14" font-weight="bold")");
    text += legend() + y_axis() + x_axis();
    for (size_t s = 0; s < panel_.series.size(); ++s) text += series(s);
    return text;
  }

 private:
  [[nodiscard]] static std::string_view colour(size_t series) { return kColours[series % kColours.size()]; }
  [[nodiscard]] double y_place(double value) const {
    return in_.bottom - (in_.bottom - in_.top) * value / ticks_.back();
  }

  [[nodiscard]] std::string legend() const {
    std::string text;
    for (size_t s = 0; s < panel_.series.size(); ++s) {
      const double y = top_ + kTop - 2 + kLegendLine * static_cast<double>(s);
      text += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="16" height="3" fill="{}"/>)"
                          "\n",
                          in_.left, y - 5, colour(s));
      text += label(in_.left + 22, y, "start", panel_.series[s].name);
    }
    return text;
  }

  [[nodiscard]] std::string y_axis() const {
    std::string text;
    for (const double tick : ticks_) {
      const double y = y_place(tick);
      text += line(in_.left, y, in_.right, y, tick == 0 ? "#444444" : "#dddddd");
      text += label(in_.left - 6, y + 4, "end", tick_text(tick, ticks_[1]));
    }
    const double x = left_ + 14;
    const double y = (in_.top + in_.bottom) / 2;
    return text + label(x, y, "middle", panel_.y_label,
                        fmt::format(R"x( transform="rotate(-90 {:.1f} {:.1f})")x", x, y));
  }

  // A label for each x, but where it would run into the one before.
  [[nodiscard]] std::string x_axis() const {
    std::string text;
    double free_from = 0;
    for (const int64_t value : x_.values()) {
      const double x = x_.place(value, in_);
      text += line(x, in_.bottom, x, in_.bottom + 4, "#444444");
      const std::string number = grouped_count(value);
      const double half = kDigitWidth * static_cast<double>(number.size()) / 2;
      if (x - half < free_from) continue;
      text += label(x, in_.bottom + 18, "middle", number);
      free_from = x + half + kDigitWidth;
    }
    return text + label((in_.left + in_.right) / 2, in_.bottom + 38, "middle", panel_.x_label);
  }

  [[nodiscard]] std::string series(size_t s) const {
    const double beside =
        kDodge * (static_cast<double>(s) - static_cast<double>(panel_.series.size() - 1) / 2);
    std::string marks;
    std::string corners;
    for (const PlotPoint& point : panel_.series[s].points) {
      const double x = x_.place(point.x, in_) + beside;
      const double y = y_place(point.median);
      marks += line(x, y_place(point.least), x, y_place(point.most), colour(s));
      for (const double end : {point.least, point.most}) {
        marks += line(x - 3, y_place(end), x + 3, y_place(end), colour(s));
      }
      marks += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>)"
                           "\n",
                           x, y, colour(s));
      corners += fmt::format("{}{:.1f},{:.1f}", corners.empty() ? "" : " ", x, y);
    }
    return fmt::format(R"(<polyline points="{}" fill="none" stroke="{}" stroke-width="1.5"/>)"
                       "\n{}",
                       corners, colour(s), marks);
  }

  const PlotPanel& panel_;
  double left_;
  double top_;
  Rectangle in_;
  XScale x_;
  std::vector<double> ticks_;
};

}  // namespace

std::vector<double> round_ticks(double most) {
  if (!(most > 0)) most = 1;
  constexpr double kIntervals = 6;
  constexpr double kAlmost = 1e-9;  // a quotient that is a whole number but for rounding
  const double power = std::pow(10.0, std::floor(std::log10(most / kIntervals)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (most / (factor * power) > kIntervals + kAlmost) continue;
    step = factor * power;
    break;
  }
  const auto count = static_cast<int>(std::ceil(most / step - kAlmost));
  std::vector<double> ticks;
  for (int i = 0; i <= std::max(count, 1); ++i) ticks.push_back(i * step);
  return ticks;
}

std::string xml_text(std::string_view text) {
  std::string out;
  for (const std::string_view character : characters_of(text)) {
    const Character c = first_character(character);
    const bool is_none = c.code == kReplacementCharacter || c.code < U' ' || c.code == 0x7F ||
                         c.code == 0xFFFE || c.code == 0xFFFF;
    if (is_none) {
      append_utf8(out, kReplacementCharacter);
    } else if (c.code == U'&') {
      out += "&amp;";
    } else if (c.code == U'<') {
      out += "&lt;";
    } else if (c.code == U'>') {
      out += "&gt;";
    } else if (c.code == U'"') {
      out += "&quot;";
    } else {
      out += character;
    }
  }
  return out;
}

std::string svg_text(const PlotPage& page) {
  const size_t rows = (page.panels.size() + kColumns - 1) / kColumns;
  const double width = kColumns * kPanelWidth;
  const double height = kHeadHeight + kPanelHeight * static_cast<double>(rows);
  std::string text = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}")"
      R"( font-family="sans-serif" font-size="11" fill="#222222" role="img">)"
      "\n<title>{2}</title>\n"
      R"(<rect width="{0:.0f}" height="{1:.0f}" fill="#ffffff"/>)"
      "\n",
      width, height, xml_text(page.title));
  text += label(20, 28, "start", page.title, R"( font-size="18" font-weight="bold")");
  text += label(20, 48, "start", page.subtitle, R"( font-size="12")");
  for (size_t p = 0; p < page.panels.size(); ++p) {
    if (std::ranges::all_of(page.panels[p].series, [](const auto& series) { return series.points.empty(); }))
      continue;
    const double left = kPanelWidth * static_cast<double>(p % kColumns);
    const size_t row = p / kColumns;
    const double top = kHeadHeight + kPanelHeight * static_cast<double>(row);
    text += PanelDrawing(page.panels[p], left, top).text();
  }
  return text + "</svg>\n";
}

}  // namespace cairn
