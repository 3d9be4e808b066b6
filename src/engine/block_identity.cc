#include "engine/block_identity.h"

#include <fmt/format.h>

#include "model/fingerprint.h"

namespace cairn {

std::string block_identity(const Config& config, const Kernels& kernels,
                           const std::optional<Sha256Digest>& fingerprint) {
  // The arithmetic, not the instruction set: tables that give the same bits share blocks.
  return fmt::format("model={}\narithmetic={}\n{}", fingerprint.has_value() ? to_hex(*fingerprint) : "",
                     kernels.arithmetic, config_text(config));
}

}  // namespace cairn
