// The number formats of keys and values, a line each. This is the only list of them: the parser of KV plans
// and its messages, the plans that laws, benches and reports go through, refusals and help all read it. A new
// format is a line here and its encoder and decoder (docs/hacking.md); kv_codec.h shows how each lies in a
// block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

enum class KvFormat : uint8_t { kF32, kF16, kBF16, kFp8E4M3, kFp8E5M2, kInt8, kInt4, kInt3, kInt2 };
enum class KvAxis : uint8_t { kToken, kChannel };
enum class KvSide : uint8_t { kKeys, kValues };

// What groups of elements share. Floats stand alone; the others are integer codes.
enum class KvScaling : uint8_t { kNone, kScale, kScaleAndMinimum };

// Common: the most exact of its size, shown where only a few formats are.
enum class KvFormatUse : uint8_t { kCommon, kSpecial };

struct KvFormatInfo {
  KvFormat format;
  std::string_view name;                  // in plans and reports
  std::optional<std::string_view> alias;  // another name that plans may use
  int64_t bits;                           // of an element's number or code; scales are not counted
  KvScaling scaling;
  KvFormatUse use;
};

// In the order of the enumeration: floats first, wider ones before narrower ones.
inline constexpr std::array<KvFormatInfo, 9> kKvFormats = [] {
  using enum KvFormat;
  using enum KvScaling;
  using enum KvFormatUse;
  return std::array<KvFormatInfo, 9>{{
      // clang-format off
      {kF32,     "f32",      {},         32, kNone,            kCommon},
      {kF16,     "f16",      {},         16, kNone,            kCommon},
      {kBF16,    "bf16",     {},         16, kNone,            kSpecial},
      {kFp8E4M3, "fp8",      "fp8_e4m3", 8,  kNone,            kSpecial},
      {kFp8E5M2, "fp8_e5m2", {},         8,  kNone,            kSpecial},
      {kInt8,    "int8",     {},         8,  kScale,           kCommon},
      {kInt4,    "int4",     {},         4,  kScaleAndMinimum, kCommon},
      {kInt3,    "int3",     {},         3,  kScaleAndMinimum, kSpecial},
      {kInt2,    "int2",     {},         2,  kScaleAndMinimum, kSpecial},
      // clang-format on
  }};
}();

[[nodiscard]] constexpr const KvFormatInfo& kv_format_info(KvFormat format) {
  return kKvFormats[static_cast<size_t>(format)];
}
static_assert([] {
  for (size_t i = 0; i < kKvFormats.size(); ++i) {
    if (static_cast<size_t>(kKvFormats[i].format) != i) return false;
  }
  return true;
}());

[[nodiscard]] constexpr int64_t kv_format_bits(KvFormat format) { return kv_format_info(format).bits; }
[[nodiscard]] constexpr bool kv_is_integer(KvFormat format) {
  return kv_format_info(format).scaling != KvScaling::kNone;
}
[[nodiscard]] constexpr bool kv_has_minimum(KvFormat format) {
  return kv_format_info(format).scaling == KvScaling::kScaleAndMinimum;
}
[[nodiscard]] std::optional<KvFormat> kv_format_from_name(std::string_view name);  // or an alias
// "f32, f16, bf16, ...": for help.
[[nodiscard]] std::string kv_format_names();
// "int8, int4, int3, int2": for messages about what only integer formats have.
[[nodiscard]] std::string kv_integer_format_names();
// "there are f32, f16, ..., fp8 (= fp8_e4m3), ... and int2": for messages about a word that names none.
[[nodiscard]] std::string kv_formats_sentence();

}  // namespace cairn
