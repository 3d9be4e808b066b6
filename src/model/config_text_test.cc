#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <tuple>

#include "model/fingerprint.h"

namespace cairn {
namespace {

// changes(x): as many values of x's type, each different from x in one field only.
std::vector<std::string> changes(const std::string& x) { return {x + "x"}; }
std::vector<int64_t> changes(int64_t x) { return {x + 1}; }
std::vector<float> changes(float x) { return {std::nextafter(x, 1e30F), x + 1}; }
std::vector<double> changes(double x) { return {std::nextafter(x, 1e300), x + 1}; }
std::vector<bool> changes(bool x) { return {!x}; }
std::vector<NormKind> changes(NormKind x) {
  return {x == NormKind::kRms ? NormKind::kLayer : NormKind::kRms};
}
std::vector<Activation> changes(Activation x) {
  return {x == Activation::kSilu ? Activation::kGeluTanh : Activation::kSilu};
}
std::vector<RopeStyle> changes(RopeStyle x) {
  std::vector<RopeStyle> others{RopeStyle::kNone, RopeStyle::kAdjacent, RopeStyle::kHalves};
  std::erase(others, x);
  return others;
}

// References to all members of x. The structured bindings name each, so that a new member does not compile until it is
// here.
auto members(RopeConfig& x) {
  auto& [base, divisors, magnitude, by_context] = x;
  return std::tie(base, divisors, magnitude, by_context);
}
auto members(LongRope& x) {
  auto& [original_context, divisors, magnitude] = x;
  return std::tie(original_context, divisors, magnitude);
}
auto members(DynamicNtk& x) {
  auto& [original_context, factor] = x;
  return std::tie(original_context, factor);
}
auto members(LayerConfig& x) {
  auto& [window, rope] = x;
  return std::tie(window, rope);
}
auto members(Config& x) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, y] = x;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, y);
}

template <typename T>
std::vector<std::vector<T>> changes(const std::vector<T>& x);
template <typename T>
  requires requires(T x) { members(x); }
std::vector<T> changes(T x);

std::vector<RopeByContext> changes(const RopeByContext& x);

template <size_t kMember, typename T>
void change_member(T& x, std::vector<T>& changed) {
  for (const auto& value : changes(std::get<kMember>(members(x)))) {
    changed.push_back(x);
    std::get<kMember>(members(changed.back())) = value;
  }
}

template <typename T>
  requires requires(T x) { members(x); }
std::vector<T> changes(T x) {
  std::vector<T> changed;
  [&]<size_t... kMember>(std::index_sequence<kMember...>) {
    (change_member<kMember>(x, changed), ...);
  }(std::make_index_sequence<std::tuple_size_v<decltype(members(x))>>());
  return changed;
}

template <typename T>
std::vector<std::vector<T>> changes(const std::vector<T>& x) {
  std::vector<std::vector<T>> changed{x};
  changed.back().push_back(x.back());
  for (size_t i = 0; i < x.size(); ++i) {
    for (const T& value : changes(x[i])) {
      changed.push_back(x);
      changed.back()[i] = value;
    }
  }
  return changed;
}

std::vector<RopeByContext> changes(const RopeByContext& x) {
  std::vector<RopeByContext> changed;
  const auto add = [&](const auto& values) { changed.insert(changed.end(), values.begin(), values.end()); };
  if (const auto* longer = std::get_if<LongRope>(&x)) add(changes(*longer));
  if (const auto* ntk = std::get_if<DynamicNtk>(&x)) add(changes(*ntk));
  if (x.index() != 0) changed.emplace_back();
  if (x.index() != 1) changed.emplace_back(LongRope{.original_context = 1, .divisors = {1.0}});
  if (x.index() != 2) changed.emplace_back(DynamicNtk{.original_context = 1});
  return changed;
}

Config some_config() {
  return {
      .family = "llama",
      .layer_count = 2,
      .ropes =
          {{.divisors = {1.0, 2.0}, .by_context = LongRope{.original_context = 4, .divisors = {1.0, 3.0}}},
           {.base = 1e6, .divisors = {1.0}, .by_context = DynamicNtk{.original_context = 4, .factor = 2.0}}},
      .layers = {{.window = 4}, {.rope = 1}}};
}

TEST(ConfigText, EveryFieldChangesIt) {
  const Config config = some_config();
  std::set<std::string> texts{config_text(config)};
  const std::vector<Config> changed = changes(config);
  EXPECT_GT(changed.size(), 40U);
  for (size_t i = 0; i < changed.size(); ++i) {
    EXPECT_TRUE(texts.insert(config_text(changed[i])).second) << "change " << i << ":\n"
                                                              << config_text(changed[i]);
  }
}

TEST(ConfigText, EqualConfigsHaveTheSameText) {
  EXPECT_EQ(config_text(some_config()), config_text(some_config()));
}

// Names that outlive the process are made of this text: changing its form makes every stored block a miss.
TEST(ConfigText, IsWrittenLikeThis) {
  const std::string text = config_text(some_config());
  EXPECT_TRUE(text.starts_with("family=llama\nlayer_count=2\nmodel_dim=0\n")) << text;
  EXPECT_NE(text.find("\nnorm=rms\nnorm_eps=0x1.4f8b58p-17\nqk_norm=no\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("layer.window=4\nlayer.rope=0\nlayer.window=0\nlayer.rope=1\n")) << text;
}

}  // namespace
}  // namespace cairn
