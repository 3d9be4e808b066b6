// block_identity: what of a model and of its kernels determines the bytes of keys and values. It is part of every
// block's name (KvCacheOptions::identity); the cache adds the codecs, the block's shape, the salt and the tokens.
#pragma once

#include <optional>
#include <string>

#include "base/sha256.h"
#include "kernels/kernels.h"
#include "model/config.h"

namespace cairn {

// `fingerprint` (model/fingerprint.h) distinguishes models of the same shape. Blocks that never leave their process
// need none: a cache has one model.
[[nodiscard]] std::string block_identity(const Config& config, const Kernels& kernels,
                                         const std::optional<Sha256Digest>& fingerprint = std::nullopt);

}  // namespace cairn
