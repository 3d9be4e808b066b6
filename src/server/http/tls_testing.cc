#include "server/http/tls_testing.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

namespace cairn {
namespace {

void add_names(X509* certificate) {
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
}

}  // namespace

HttpTlsFiles make_certificate(const std::string& folder, const std::string& name, const ValidTime& valid) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), valid.begins.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate), valid.ends.count());
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  add_names(certificate);
  EXPECT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
  const HttpTlsFiles files{.certificate = folder + "/" + name + ".pem", .key = folder + "/" + name + ".key"};
  std::FILE* file = std::fopen(files.certificate.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(files.key.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

struct TlsClient::Impl {
  int fd = -1;
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  bool is_connected = false;
};

TlsClient::TlsClient(uint16_t port, int version_max) : impl_(std::make_unique<Impl>()) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  impl_->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  impl_->context = SSL_CTX_new(TLS_client_method());
  if (version_max != 0) SSL_CTX_set_max_proto_version(impl_->context, version_max);
  impl_->ssl = SSL_new(impl_->context);
  if (connect(impl_->fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
  SSL_set_fd(impl_->ssl, impl_->fd);
  impl_->is_connected = SSL_connect(impl_->ssl) == 1;
}

TlsClient::~TlsClient() {
  SSL_free(impl_->ssl);
  SSL_CTX_free(impl_->context);
  ::close(impl_->fd);
}

bool TlsClient::is_connected() const { return impl_->is_connected; }

bool TlsClient::send(std::string_view bytes) const {
  return SSL_write(impl_->ssl, bytes.data(), static_cast<int>(bytes.size())) ==
         static_cast<int>(bytes.size());
}

std::string TlsClient::read_all() const {
  std::string text;
  char buffer[4096];
  while (true) {
    const int count = SSL_read(impl_->ssl, buffer, sizeof buffer);
    if (count <= 0) return text;
    text.append(buffer, static_cast<size_t>(count));
  }
}

std::string TlsClient::name_of_server() const {
  X509* certificate = SSL_get1_peer_certificate(impl_->ssl);
  if (certificate == nullptr) return {};
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  return name;
}

}  // namespace cairn
