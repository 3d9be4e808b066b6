#include "model/families/rope_scaling.h"

#include <algorithm>
#include <cmath>

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

Status refuse_length_dependent(const std::string& what) {
  return unsupported(what +
                     " is a RoPE scaling whose angles depend on the current length, which Cairn does not " +
                     "run (supported: none, linear, llama3, yarn)");
}

RopeConfig yarn_from_hf(HfKeys& keys, int64_t rope_dim, int64_t context_length, double base) {
  const double original = keys.real_or("original_max_position_embeddings",
                                       static_cast<double>(context_length), 1, ConfigLimits::kContext);
  const double ratio = std::max(1.0, static_cast<double>(context_length) / original);
  const YarnScaling scaling{.factor = keys.real_or("factor", ratio, 1, ConfigLimits::kRopeFactor),
                            .beta_fast = keys.real_or("beta_fast", 32, 1e-3, 1e6),
                            .beta_slow = keys.real_or("beta_slow", 1, 1e-3, 1e6),
                            .original_context = original,
                            .whole_pairs = keys.flag_or("truncate", true)};
  double magnitude = yarn_magnitude(scaling.factor, 1.0);
  const auto mscale = keys.find_real("mscale", 0, 1e3);
  const auto mscale_all_dim = keys.find_real("mscale_all_dim", 0, 1e3);
  if (mscale.value_or(0) != 0 && mscale_all_dim.value_or(0) != 0) {
    magnitude = yarn_magnitude(scaling.factor, *mscale) / yarn_magnitude(scaling.factor, *mscale_all_dim);
  }
  magnitude = keys.real_or("attention_factor", magnitude, 1e-6, 1e3);
  return {base, yarn_divisors(scaling, base, rope_dim), magnitude};
}

RopeConfig llama3_from_hf(HfKeys& keys, int64_t rope_dim, double base) {
  const Llama3Scaling scaling{
      .factor = keys.real("factor", 1, ConfigLimits::kRopeFactor),
      .low_freq_factor = keys.real("low_freq_factor", 1e-6, 1e6),
      .high_freq_factor = keys.real("high_freq_factor", 1e-6, 1e6),
      .original_context = keys.real("original_max_position_embeddings", 1, ConfigLimits::kContext)};
  if (keys.status().ok() && scaling.high_freq_factor <= scaling.low_freq_factor) {
    keys.fail(invalid_data(keys.full_name("high_freq_factor") + " must be larger than low_freq_factor"));
  }
  return {base, llama3_divisors(scaling, base, rope_dim), 1.0};
}

}  // namespace

RopeConfig rope_from_gguf(GgufKeys& keys, int64_t rope_dim, int64_t context_length, double default_base) {
  RopeConfig rope;
  rope.base = keys.real_or("rope.freq_base", default_base, 1.001, ConfigLimits::kRopeBase);
  rope.magnitude = keys.real_or("rope.scaling.attn_factor", 1.0, 1e-6, 1e3);
  // Some files write 0 for no scaling; rope.scale_linear is the older key.
  double factor = keys.real_or("rope.scaling.factor", 0, 0, ConfigLimits::kRopeFactor);
  if (factor == 0) factor = keys.real_or("rope.scale_linear", 0, 0, ConfigLimits::kRopeFactor);
  if (factor == 0) factor = 1;
  if (factor < 1) keys.fail(invalid_data(keys.full_name("rope.scaling.factor") + " is less than 1"));
  const std::string type = keys.text_or("rope.scaling.type", "linear");
  if (type == "yarn") {
    const YarnScaling scaling{
        .factor = factor,
        .beta_fast = keys.real_or("rope.scaling.yarn_beta_fast", 32, 1e-3, 1e6),
        .beta_slow = keys.real_or("rope.scaling.yarn_beta_slow", 1, 1e-3, 1e6),
        .original_context = static_cast<double>(
            keys.count_or("rope.scaling.original_context_length", context_length, 1, ConfigLimits::kContext)),
        .whole_pairs = true};
    for (const char* key : {"rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_ext_factor",
                            "rope.scaling.yarn_attn_factor"}) {
      if (keys.has(key))
        keys.fail(unsupported(keys.full_name(key) + " is a YaRN setting that Cairn does not support"));
    }
    rope.divisors = yarn_divisors(scaling, rope.base, rope_dim);
    rope.magnitude *= yarn_magnitude(factor, 1.0);
  } else if (type == "linear") {
    rope.divisors = uniform_divisors(rope_dim, factor);
  } else if (type == "longrope") {
    keys.fail(refuse_length_dependent(keys.full_name("rope.scaling.type") + " = longrope"));
  } else if (type != "none") {
    keys.fail(unsupported(keys.full_name("rope.scaling.type") + " = " + printable(type) +
                          " is unknown (supported: none, linear, yarn)"));
  }
  return rope;
}

Result<RopeConfig> rope_from_hf(const boost::json::object* parameters, int64_t rope_dim,
                                int64_t context_length, double base) {
  if (parameters == nullptr) return RopeConfig{base, {}, 1.0};
  HfKeys keys(*parameters, "config.json: RoPE scaling");
  base = keys.real_or("rope_theta", base, 1.001, ConfigLimits::kRopeBase);
  const std::string type = keys.text_or("rope_type", keys.text_or("type", "default"));
  RopeConfig rope{base, {}, 1.0};
  if (type == "linear") {
    rope.divisors = uniform_divisors(rope_dim, keys.real("factor", 1, ConfigLimits::kRopeFactor));
  } else if (type == "llama3") {
    rope = llama3_from_hf(keys, rope_dim, base);
  } else if (type == "yarn") {
    rope = yarn_from_hf(keys, rope_dim, context_length, base);
  } else if (type == "dynamic" || type == "longrope" || type == "su") {
    return refuse_length_dependent("config.json: rope_type = " + printable(type));
  } else if (type != "default") {
    return unsupported("config.json: rope_type = " + printable(type) +
                       " is unknown (supported: default, linear, llama3, yarn)");
  }
  CAIRN_RETURN_IF_ERROR(keys.status());
  return rope;
}

Result<RopeConfig> rope_from_hf_config(const boost::json::object& config, int64_t rope_dim,
                                       int64_t context_length, double default_base) {
  HfKeys keys(config, "config.json");
  const double base = keys.real_or("rope_theta", default_base, 1.001, ConfigLimits::kRopeBase);
  const boost::json::object* parameters = keys.find_object("rope_parameters");
  if (parameters == nullptr) parameters = keys.find_object("rope_scaling");
  CAIRN_RETURN_IF_ERROR(keys.status());
  return rope_from_hf(parameters, rope_dim, context_length, base);
}

}  // namespace cairn
