#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace cairn {

void Sha256::FreeContext::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);  // libcrypto fails here only when memory is gone
  CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

// Without naming the function again: libcrypto would look it up anew, which takes longer than to hash a
// block's tokens (OpenSSL 3.0: 1.2 us for both, 0.5 us without).
void Sha256::start() { CHECK(EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1); }

void Sha256::update(std::span<const std::byte> bytes) {
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  unsigned int digest_bytes = 0;
  CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &digest_bytes) == 1);
  CHECK(digest_bytes == digest.size());
  start();
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
