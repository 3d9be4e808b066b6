// Test support: an authority made on the spot and a certificate that it signed, for 127.0.0.1 and localhost.
#pragma once

#include <string>

namespace cairn {

struct RedisCertificates {  // PEM files
  std::string authority;
  std::string certificate;
  std::string key;
};
[[nodiscard]] RedisCertificates make_redis_certificates(const std::string& folder);

}  // namespace cairn
