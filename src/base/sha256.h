// SHA-256 (FIPS 180-4), of a whole or part by part.
//
// Always true: the digest of several updates is the digest of their concatenation.
// Used for names that must not be forged (blocks, models) and for fingerprints that people compare.
// One Sha256 belongs to one thread at a time; anyone may construct one. Only the constructor allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct SHA256state_st;

namespace cairn {

using Sha256Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  Sha256();

  void update(std::span<const std::byte> bytes);

  // The digest of everything so far; the object then starts anew.
  [[nodiscard]] Sha256Digest finish();

 private:
  struct Free {
    void operator()(SHA256state_st* state) const;
  };

  std::unique_ptr<SHA256state_st, Free> state_;
};

[[nodiscard]] Sha256Digest sha256(std::span<const std::byte> bytes);

// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string to_hex(const Sha256Digest& digest);

}  // namespace cairn
