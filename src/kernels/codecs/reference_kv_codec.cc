#include <cmath>
#include <cstring>

#include "kernels/codecs/float8.h"
#include "kernels/float16.h"
#include "kernels/reference.h"

namespace cairn::reference {
namespace {

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float float_at(KvFormat format, const std::byte* line, int64_t lane) {
  switch (format) {
    case KvFormat::kF16: return f16_to_float(load<uint16_t>(line + 2 * lane));
    case KvFormat::kBF16: return bf16_to_float(load<uint16_t>(line + 2 * lane));
    case KvFormat::kFp8E4M3: return e4m3_to_float(load<uint8_t>(line + lane));
    case KvFormat::kFp8E5M2: return e5m2_to_float(load<uint8_t>(line + lane));
    default: return load<float>(line + 4 * lane);
  }
}

int32_t code_at(KvFormat format, const std::byte* line, int64_t lane) {
  const std::byte* group = line + lane / kKvGroup * 4 * kv_format_bits(format);
  const auto i = static_cast<int32_t>(lane % kKvGroup);
  if (format == KvFormat::kInt8) return load<int8_t>(group + i);
  if (format == KvFormat::kInt4) return load<uint8_t>(group + i % 16) >> (i / 16 * 4) & 15;
  const uint32_t low = load<uint32_t>(group + i / 16 * 4) >> (i % 16 * 2) & 3U;
  if (format == KvFormat::kInt2) return static_cast<int32_t>(low);
  const uint32_t high = load<uint32_t>(group + 8) >> i & 1U;
  return static_cast<int32_t>(low | high << 2);
}

float element_at(const KvTileShape& shape, const std::byte* tile, int64_t line, int64_t lane) {
  const KvFormat format = shape.codec.format;
  const std::byte* codes = tile + line * shape.line_bytes;
  if (!kv_is_integer(format)) return float_at(format, codes, lane);
  const auto code = static_cast<float>(code_at(format, codes, lane));
  const int64_t group = shape.scales_along ? line * (shape.lanes / kKvGroup) + lane / kKvGroup
                                           : line / kKvGroup * shape.lanes + lane;
  const float scale = f16_to_float(load<uint16_t>(tile + shape.scales_offset + 2 * group));
  if (!kv_has_minimum(format)) return code * scale;
  return std::fma(code, scale, f16_to_float(load<uint16_t>(tile + shape.minima_offset + 2 * group)));
}

}  // namespace

void decode_kv(const KvTileShape& shape, const std::byte* tile, int32_t first_line, int32_t line_count,
               float* out) {
  for (int32_t i = 0; i < line_count; ++i) {
    for (int32_t lane = 0; lane < shape.lanes; ++lane) {
      out[int64_t{i} * shape.lanes + lane] = element_at(shape, tile, first_line + i, lane);
    }
  }
}

}  // namespace cairn::reference
