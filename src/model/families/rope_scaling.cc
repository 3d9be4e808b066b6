#include "model/families/rope_scaling.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <string_view>

#include "base/exact_math.h"
#include "base/printable.h"

namespace cairn {
namespace {

constexpr double kTwoPi = 6.283185307179586476925;

std::vector<double> uniform_divisors(int64_t rope_dim, double factor) {
  if (factor == 1.0) return {};
  return std::vector<double>(static_cast<size_t>(rope_dim / 2), factor);
}

double frequency(double base, int64_t pair, int64_t rope_dim) {
  return exact::pow(base, -2.0 * static_cast<double>(pair) / static_cast<double>(rope_dim));
}

struct Llama3Scaling {
  double factor, low_freq_factor, high_freq_factor, original_context;
};

// Short wavelengths are kept, long ones divided by the factor, those between blended.
std::vector<double> llama3_divisors(const Llama3Scaling& s, double base, int64_t rope_dim) {
  std::vector<double> divisors;
  for (int64_t pair = 0; pair < rope_dim / 2; ++pair) {
    const double wavelength = kTwoPi / frequency(base, pair, rope_dim);
    if (wavelength > s.original_context / s.low_freq_factor) {
      divisors.push_back(s.factor);
    } else if (wavelength < s.original_context / s.high_freq_factor) {
      divisors.push_back(1.0);
    } else {
      const double kept =
          (s.original_context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
      divisors.push_back(1.0 / ((1.0 - kept) / s.factor + kept));
    }
  }
  return divisors;
}

struct YarnScaling {
  double factor, beta_fast, beta_slow, original_context;
  bool whole_pairs;  // the band's ends are rounded outward to whole pairs
};

// The pair that completes `turns` rotations over the original context.
double pair_with_turns(const YarnScaling& s, double turns, double base, int64_t rope_dim) {
  return static_cast<double>(rope_dim) * exact::log(s.original_context / (turns * kTwoPi)) /
         (2.0 * exact::log(base));
}

std::vector<double> yarn_divisors(const YarnScaling& s, double base, int64_t rope_dim) {
  double low = pair_with_turns(s, s.beta_fast, base, rope_dim);
  double high = pair_with_turns(s, s.beta_slow, base, rope_dim);
  if (s.whole_pairs) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rope_dim - 1));
  const double width = std::max(0.001, high - low);
  std::vector<double> divisors;
  for (int64_t pair = 0; pair < rope_dim / 2; ++pair) {
    const double ramp = std::clamp((static_cast<double>(pair) - low) / width, 0.0, 1.0);
    divisors.push_back(1.0 / (ramp / s.factor + (1.0 - ramp)));
  }
  return divisors;
}

// The YaRN paper's temperature, as a factor on cos and sin.
double yarn_magnitude(double factor, double weight) {
  return factor <= 1.0 ? 1.0 : 0.1 * weight * exact::log(factor) + 1.0;
}

// How many positions a scaling makes of its original context.
int64_t stretched(int64_t original_context, double factor) {
  const double positions = static_cast<double>(original_context) * factor;
  return static_cast<int64_t>(std::min(positions, static_cast<double>(ConfigLimits::kContext)));
}

// Phi-3's temperature for contexts of `factor` times the original one, as a factor on cos and sin.
double longrope_magnitude(double factor, int64_t original_context) {
  if (factor <= 1.0 || original_context <= 1) return 1.0;
  return std::sqrt(1.0 + exact::log(factor) / exact::log(static_cast<double>(original_context)));
}

double ratio_of(int64_t context_length, int64_t original_context) {
  return static_cast<double>(context_length) / static_cast<double>(original_context);
}

void check_rope_dim_of_dynamic(HfKeys& keys, int64_t rope_dim) {
  if (rope_dim > 2) return;
  keys.fail(invalid_data(keys.full_name("rope_type") +
                         " = dynamic needs more than two rotated elements in a head"));
}

// original_max_position_embeddings stands in the scaling itself or, in Phi-3's files, beside it.
std::optional<int64_t> original_context_of(HfKeys& keys, const RopeShape& shape) {
  const auto own = keys.find_count("original_max_position_embeddings", 1, ConfigLimits::kContext);
  return own.has_value() ? own : shape.original_context;
}

ScaledRope linear_from_hf(HfKeys& keys, const RopeShape& shape) {
  const double factor = keys.real("factor", 1, ConfigLimits::kRopeFactor);
  ScaledRope scaled{{shape.base, uniform_divisors(shape.rope_dim, factor)}, shape.context_length};
  const auto original = original_context_of(keys, shape);
  if (original) scaled.context_length = std::max(shape.context_length, stretched(*original, factor));
  return scaled;
}

// Without a factor, how far the context reaches beyond the original one says it; without both, nothing does.
double yarn_factor(HfKeys& keys, const RopeShape& shape, std::optional<int64_t> original) {
  if (!original) return keys.real("factor", 1, ConfigLimits::kRopeFactor);
  const double ratio = std::max(1.0, ratio_of(shape.context_length, *original));
  return keys.real_or("factor", ratio, 1, ConfigLimits::kRopeFactor);
}

ScaledRope yarn_from_hf(HfKeys& keys, const RopeShape& shape) {
  const auto given = original_context_of(keys, shape);
  const int64_t original = given.value_or(shape.context_length);
  const YarnScaling scaling{.factor = yarn_factor(keys, shape, given),
                            .beta_fast = keys.real_or("beta_fast", 32, 1e-3, 1e6),
                            .beta_slow = keys.real_or("beta_slow", 1, 1e-3, 1e6),
                            .original_context = static_cast<double>(original),
                            .whole_pairs = keys.flag_or("truncate", true)};
  double magnitude = yarn_magnitude(scaling.factor, 1.0);
  const auto mscale = keys.find_real("mscale", 0, 1e3);
  const auto mscale_all_dim = keys.find_real("mscale_all_dim", 0, 1e3);
  if (mscale.value_or(0) != 0 && mscale_all_dim.value_or(0) != 0) {
    magnitude = yarn_magnitude(scaling.factor, *mscale) / yarn_magnitude(scaling.factor, *mscale_all_dim);
  }
  magnitude = keys.real_or("attention_factor", magnitude, 1e-6, 1e3);
  return {{shape.base, yarn_divisors(scaling, shape.base, shape.rope_dim), magnitude},
          std::max(shape.context_length, stretched(original, scaling.factor))};
}

ScaledRope llama3_from_hf(HfKeys& keys, const RopeShape& shape) {
  const Llama3Scaling scaling{
      .factor = keys.real("factor", 1, ConfigLimits::kRopeFactor),
      .low_freq_factor = keys.real("low_freq_factor", 1e-6, 1e6),
      .high_freq_factor = keys.real("high_freq_factor", 1e-6, 1e6),
      .original_context = keys.real("original_max_position_embeddings", 1, ConfigLimits::kContext)};
  if (keys.status().ok() && scaling.high_freq_factor <= scaling.low_freq_factor) {
    keys.fail(invalid_data(keys.full_name("high_freq_factor") + " must be larger than low_freq_factor"));
  }
  return {{shape.base, llama3_divisors(scaling, shape.base, shape.rope_dim)}, shape.context_length};
}

// A number, or 0 where it is none.
double number_of(const boost::json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  return value.is_double() ? value.get_double() : 0.0;
}

// A list of one divisor for each pair.
std::vector<double> divisors_in(HfKeys& keys, std::string_view key, int64_t rope_dim) {
  const boost::json::value* value = keys.find(key);
  std::vector<double> divisors;
  if (value != nullptr && value->is_array()) {
    for (const boost::json::value& item : value->get_array()) divisors.push_back(number_of(item));
  }
  if (std::ssize(divisors) != rope_dim / 2) {
    keys.fail(invalid_data(keys.full_name(key) + " must be a list of " + std::to_string(rope_dim / 2) +
                           " numbers"));
  }
  if (std::ranges::any_of(divisors, [](double d) { return !(d >= 1e-6 && d <= 1e6); })) {
    keys.fail(
        invalid_data(keys.full_name(key) + " holds something other than a number between 1e-6 and 1e6"));
  }
  return divisors;
}

ScaledRope longrope_from_hf(HfKeys& keys, const RopeShape& shape) {
  const int64_t original = original_context_of(keys, shape).value_or(shape.context_length);
  const double ratio = std::max(1.0, ratio_of(shape.context_length, original));
  const double factor = keys.real_or("factor", ratio, 1e-3, ConfigLimits::kRopeFactor);
  const double usual = keys.real_or("attention_factor", longrope_magnitude(factor, original), 1e-6, 1e3);
  ScaledRope scaled{{shape.base, divisors_in(keys, "short_factor", shape.rope_dim),
                     keys.real_or("short_mscale", usual, 1e-6, 1e3)},
                    std::max(shape.context_length, stretched(original, factor))};
  scaled.rope.by_context = LongRope{.original_context = original,
                                    .divisors = divisors_in(keys, "long_factor", shape.rope_dim),
                                    .magnitude = keys.real_or("long_mscale", usual, 1e-6, 1e3)};
  return scaled;
}

ScaledRope dynamic_from_hf(HfKeys& keys, const RopeShape& shape) {
  if (keys.find("alpha") != nullptr) {
    keys.fail(unsupported(keys.full_name("alpha") + " is a kind of dynamic scaling that Cairn does not run"));
  }
  check_rope_dim_of_dynamic(keys, shape.rope_dim);
  const DynamicNtk ntk{.original_context = original_context_of(keys, shape).value_or(shape.context_length),
                       .factor = keys.real("factor", 1, ConfigLimits::kRopeFactor)};
  ScaledRope scaled{{.base = shape.base},
                    std::max(shape.context_length, stretched(ntk.original_context, ntk.factor))};
  scaled.rope.by_context = ntk;
  return scaled;
}

// What only a scaling has: where one of these stands without a type, a scaling is meant.
constexpr auto kHfScalingKeys =
    std::to_array<std::string_view>({"factor", "alpha", "attention_factor", "beta_fast", "beta_slow",
                                     "mscale", "mscale_all_dim", "low_freq_factor", "high_freq_factor",
                                     "short_factor", "long_factor", "original_max_position_embeddings"});

std::string type_from_hf(HfKeys& keys) {
  std::string type = keys.text_or("rope_type", keys.text_or("type", ""));
  if (!type.empty()) return type;
  const auto has = [&](std::string_view key) { return keys.find(key) != nullptr; };
  const auto* key = std::ranges::find_if(kHfScalingKeys, has);
  if (key != kHfScalingKeys.end()) {
    keys.fail(invalid_data(keys.full_name(*key) +
                           " is set, but rope_type, which says what scaling it belongs to, is missing"));
  }
  return "default";
}

// Whether `scaling` says nothing that `parameters` do not say too.
bool is_part_of(const boost::json::object& scaling, const boost::json::object& parameters) {
  return std::ranges::all_of(scaling, [&](const auto& setting) {
    const boost::json::value* value = parameters.if_contains(setting.key());
    return value != nullptr && *value == setting.value();
  });
}

constexpr std::string_view kHfScalings = "default, linear, dynamic, yarn, longrope, llama3";
constexpr std::string_view kGgufScalings = "none, linear, yarn, longrope";

}  // namespace

ScaledRope rope_from_gguf(GgufKeys& keys, const RopeShape& shape) {
  ScaledRope scaled{{.base = keys.real_or("rope.freq_base", shape.base, 1.001, ConfigLimits::kRopeBase)},
                    shape.context_length};
  RopeConfig& rope = scaled.rope;
  rope.magnitude = keys.real_or("rope.scaling.attn_factor", 1.0, 1e-6, 1e3);
  // Some files write 0 for no scaling; rope.scale_linear is the older key.
  double factor = keys.real_or("rope.scaling.factor", 0, 0, ConfigLimits::kRopeFactor);
  if (factor == 0) factor = keys.real_or("rope.scale_linear", 0, 0, ConfigLimits::kRopeFactor);
  if (factor == 0) factor = 1;
  if (factor < 1) keys.fail(invalid_data(keys.full_name("rope.scaling.factor") + " is less than 1"));
  const bool has_original = keys.has("rope.scaling.original_context_length");
  const int64_t original =
      keys.count_or("rope.scaling.original_context_length", shape.context_length, 1, ConfigLimits::kContext);
  const std::string type = keys.text_or("rope.scaling.type", "linear");
  if (type == "yarn" && !keys.has("rope.scaling.factor") && !keys.has("rope.scale_linear")) {
    keys.fail(
        invalid_data("the file has no key " + keys.full_name("rope.scaling.factor") + ", which YaRN needs"));
  }
  if (type == "yarn") {
    const YarnScaling scaling{.factor = factor,
                              .beta_fast = keys.real_or("rope.scaling.yarn_beta_fast", 32, 1e-3, 1e6),
                              .beta_slow = keys.real_or("rope.scaling.yarn_beta_slow", 1, 1e-3, 1e6),
                              .original_context = static_cast<double>(original),
                              .whole_pairs = true};
    for (const char* key : {"rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_ext_factor",
                            "rope.scaling.yarn_attn_factor"}) {
      if (keys.has(key))
        keys.fail(unsupported(keys.full_name(key) + " is a YaRN setting that Cairn does not support"));
    }
    rope.divisors = yarn_divisors(scaling, rope.base, shape.rope_dim);
    rope.magnitude *= yarn_magnitude(factor, 1.0);
    scaled.context_length = std::max(shape.context_length, stretched(original, factor));
  } else if (type == "linear") {
    rope.divisors = uniform_divisors(shape.rope_dim, factor);
    if (has_original) scaled.context_length = std::max(shape.context_length, stretched(original, factor));
  } else if (type == "longrope") {
    rope.by_context = LongRope{};
  } else if (type != "none") {
    keys.fail(unsupported(keys.full_name("rope.scaling.type") + " = " + printable(type) +
                          " is unknown (supported: " + std::string(kGgufScalings) + ")"));
  }
  return scaled;
}

Result<ScaledRope> rope_from_hf(const boost::json::object* parameters, const RopeShape& given) {
  if (parameters == nullptr) return ScaledRope{{.base = given.base}, given.context_length};
  if (has_kinds_of_layers(*parameters)) {
    return unsupported("config.json: RoPE scaling has objects inside of objects, which Cairn does not read");
  }
  HfKeys keys(*parameters, "config.json: RoPE scaling");
  RopeShape shape = given;
  shape.base = keys.real_or("rope_theta", given.base, 1.001, ConfigLimits::kRopeBase);
  const std::string type = type_from_hf(keys);
  ScaledRope scaled{{.base = shape.base}, shape.context_length};
  if (type == "linear") {
    scaled = linear_from_hf(keys, shape);
  } else if (type == "llama3") {
    scaled = llama3_from_hf(keys, shape);
  } else if (type == "yarn") {
    scaled = yarn_from_hf(keys, shape);
  } else if (type == "longrope" || type == "su") {
    scaled = longrope_from_hf(keys, shape);
  } else if (type == "dynamic") {
    scaled = dynamic_from_hf(keys, shape);
  } else if (type != "default") {
    return unsupported("config.json: rope_type = " + printable(type) +
                       " is unknown (supported: " + std::string(kHfScalings) + ")");
  }
  CAIRN_RETURN_IF_ERROR(keys.status());
  return scaled;
}

bool has_kinds_of_layers(const boost::json::object& parameters) {
  return std::ranges::any_of(parameters, [](const auto& setting) { return setting.value().is_object(); });
}

Result<const boost::json::object*> find_rope_parameters(const boost::json::object& config) {
  HfKeys keys(config, "config.json");
  const boost::json::object* parameters = keys.find_object("rope_parameters");
  const boost::json::object* scaling = keys.find_object("rope_scaling");
  CAIRN_RETURN_IF_ERROR(keys.status());
  if (parameters == nullptr) return scaling;
  if (scaling != nullptr && !is_part_of(*scaling, *parameters)) {
    return invalid_data("config.json: rope_parameters and rope_scaling differ: one of them must go");
  }
  return parameters;
}

Result<const boost::json::object*> rope_parameters_of_all_layers(const boost::json::object& config) {
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object* parameters, find_rope_parameters(config));
  if (parameters == nullptr || !has_kinds_of_layers(*parameters)) return parameters;
  const boost::json::value& first = parameters->begin()->value();
  const auto is_first = [&](const auto& setting) { return setting.value() == first; };
  if (std::ranges::all_of(*parameters, is_first)) return &first.get_object();
  return unsupported(
      "config.json: RoPE has settings of its own for each kind of layer, which Cairn does not run for this "
      "family");
}

Result<ScaledRope> rope_from_hf_config(const boost::json::object& config, const RopeShape& given) {
  HfKeys keys(config, "config.json");
  RopeShape shape = given;
  shape.base = keys.real_or("rope_theta", given.base, 1.001, ConfigLimits::kRopeBase);
  shape.original_context = keys.find_count("original_max_position_embeddings", 1, ConfigLimits::kContext);
  CAIRN_RETURN_IF_ERROR(keys.status());
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object* parameters, rope_parameters_of_all_layers(config));
  return rope_from_hf(parameters, shape);
}

}  // namespace cairn
