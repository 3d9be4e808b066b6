#include "base/sha256.h"

// libcrypto's low-level SHA-256. Its newer interface (EVP) allocates for every digest, even when its
// context is reused (OpenSSL 3.0), and a step of the engine, which names blocks, may not allocate.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "base/check.h"

namespace cairn {

void Sha256::Free::operator()(SHA256state_st* state) const { delete state; }

Sha256::Sha256() : state_(new SHA256_CTX) { CHECK(SHA256_Init(state_.get()) == 1); }

void Sha256::update(std::span<const std::byte> bytes) {
  CHECK(SHA256_Update(state_.get(), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  CHECK(SHA256_Final(digest.data(), state_.get()) == 1);
  CHECK(SHA256_Init(state_.get()) == 1);
  return digest;
}

Sha256Digest sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string to_hex(const Sha256Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (const std::uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace cairn
