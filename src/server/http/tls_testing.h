// Test support: certificates for 127.0.0.1 made on the spot, and a blocking TLS client.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/http/http_server.h"

namespace cairn {

// From now.
struct ValidTime {
  std::chrono::seconds begins = -std::chrono::days(1);
  std::chrono::seconds ends = std::chrono::days(1);
};

// Writes NAME.pem and NAME.key into `folder`: a certificate for 127.0.0.1 and localhost that has signed itself.
[[nodiscard]] HttpTlsFiles make_certificate(const std::string& folder, const std::string& name,
                                            const ValidTime& valid = {});

class TlsClient {
 public:
  // `version_max`: OpenSSL's number of the newest version that it speaks; 0: the newest there is.
  explicit TlsClient(uint16_t port, int version_max = 0);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  [[nodiscard]] bool is_connected() const;
  [[nodiscard]] bool send(std::string_view bytes) const;
  [[nodiscard]] std::string read_all() const;
  // "localhost", say: the subject of the server's certificate.
  [[nodiscard]] std::string name_of_server() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
