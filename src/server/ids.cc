#include "server/ids.h"

#include <openssl/rand.h>

#include <array>

#include "base/check.h"

namespace cairn {

std::string new_reply_id() {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  constexpr size_t kLength = 24;
  std::array<unsigned char, kLength> bytes{};
  CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) ==
        1);  // without randomness there is no TLS either
  std::string id;
  for (const unsigned char byte : bytes) id += kDigits[byte % kDigits.size()];
  return id;
}

std::string new_call_id() { return "call_" + new_reply_id(); }

std::string shown_reply_id(ApiFace face, std::string_view id) {
  switch (face) {
    case ApiFace::kChat: return "chatcmpl-" + std::string(id);
    case ApiFace::kCompletions: return "cmpl-" + std::string(id);
    case ApiFace::kResponses: return "resp_" + std::string(id);
    case ApiFace::kOllamaChat:
    case ApiFace::kOllamaGenerate: break;
  }
  return std::string(id);
}

std::string_view bare_reply_id(std::string_view id) {
  for (const std::string_view prefix : {"chatcmpl-", "cmpl-", "resp_"}) {
    if (id.starts_with(prefix)) return id.substr(prefix.size());
  }
  return id;
}

}  // namespace cairn
