#include "store/redis_certificate_testing.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>

namespace cairn {
namespace {

constexpr long kSecondsOfADay = 86'400;

void set_name(X509_NAME* name, const char* text) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text), -1, -1,
                             0);
}

void add_extension(X509* certificate, int kind, const char* text) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, text);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* new_certificate(long serial, const char* subject, EVP_PKEY* key) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kSecondsOfADay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), kSecondsOfADay);
  X509_set_pubkey(certificate, key);
  set_name(X509_get_subject_name(certificate), subject);
  return certificate;
}

void write_certificate(const std::string& path, X509* certificate) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
}

}  // namespace

RedisCertificates make_redis_certificates(const std::string& folder) {
  const RedisCertificates files{
      .authority = folder + "/ca.pem", .certificate = folder + "/redis.pem", .key = folder + "/redis.key"};
  EVP_PKEY* authority_key = EVP_EC_gen("P-256");
  X509* authority = new_certificate(1, "authority of a test", authority_key);
  X509_set_issuer_name(authority, X509_get_subject_name(authority));
  add_extension(authority, NID_basic_constraints, "critical,CA:TRUE");
  EXPECT_GT(X509_sign(authority, authority_key, EVP_sha256()), 0);

  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = new_certificate(2, "redis of a test", key);
  X509_set_issuer_name(certificate, X509_get_subject_name(authority));
  add_extension(certificate, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  EXPECT_GT(X509_sign(certificate, authority_key, EVP_sha256()), 0);

  write_certificate(files.authority, authority);
  write_certificate(files.certificate, certificate);
  std::FILE* file = std::fopen(files.key.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  X509_free(authority);
  EVP_PKEY_free(key);
  EVP_PKEY_free(authority_key);
  return files;
}

}  // namespace cairn
