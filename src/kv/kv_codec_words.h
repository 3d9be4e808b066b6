// The words of the KV plan's grammar for codecs: for kv_plan*.cc only.
#pragma once

#include <array>
#include <string_view>

#include "kernels/codecs/kv_codec.h"

namespace cairn {

struct KvFormatWord {
  std::string_view word;
  KvFormat format;
};

// The first word of a format is the one that it is written with.
inline constexpr std::array<KvFormatWord, 10> kKvFormatWords{{{"f32", KvFormat::kF32},
                                                              {"f16", KvFormat::kF16},
                                                              {"bf16", KvFormat::kBF16},
                                                              {"fp8", KvFormat::kFp8E4M3},
                                                              {"fp8_e4m3", KvFormat::kFp8E4M3},
                                                              {"fp8_e5m2", KvFormat::kFp8E5M2},
                                                              {"int8", KvFormat::kInt8},
                                                              {"int4", KvFormat::kInt4},
                                                              {"int3", KvFormat::kInt3},
                                                              {"int2", KvFormat::kInt2}}};

// The axis of a codec that names none. Outliers of keys keep to their channel, and fewer than eight bits have
// no room for them (KIVI, arXiv:2402.02750).
[[nodiscard]] constexpr KvAxis kv_default_axis(KvFormat format, KvSide side) {
  const bool few_bits = kv_is_integer(format) && kv_format_bits(format) < 8;
  return few_bits && side == KvSide::kKeys ? KvAxis::kChannel : KvAxis::kToken;
}

}  // namespace cairn
