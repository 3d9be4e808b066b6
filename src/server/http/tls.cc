#include "server/http/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <fstream>
#include <string>
#include <utility>

namespace cairn {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Status check_readable(const char* what, const std::string& path) {
  if (std::ifstream(path).good()) return {};
  return not_found(fmt::format("the {} file {} cannot be read", what, path));
}

// OpenSSL keeps errors for each thread; what is left there would be taken for the next call's.
void forget_errors() { ERR_clear_error(); }

}  // namespace

Result<TlsContext> server_tls(const HttpTlsFiles& files) {
  CAIRN_RETURN_IF_ERROR(check_readable("certificate", files.certificate));
  CAIRN_RETURN_IF_ERROR(check_readable("key", files.key));
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);  // idle connections keep no 32 KiB each
  error_code ec;
  // A key with a passphrase would ask for it on the terminal.
  context->set_password_callback([](size_t, ssl::context::password_purpose) { return std::string(); }, ec);
  context->use_certificate_chain_file(files.certificate, ec);
  if (ec) {
    forget_errors();
    return invalid_data(fmt::format("the certificate file {} holds no certificate in PEM form ({})",
                                    files.certificate, ec.message()));
  }
  context->use_private_key_file(files.key, ssl::context::pem, ec);
  if (ec) {
    forget_errors();
    return invalid_data(
        fmt::format("the key file {} holds no key in PEM form without a passphrase that belongs to the "
                    "certificate of {} ({})",
                    files.key, files.certificate, ec.message()));
  }
  if (SSL_CTX_check_private_key(native) != 1) {
    forget_errors();
    return invalid_data(
        fmt::format("the key of {} does not belong to the certificate of {}", files.key, files.certificate));
  }
  return context;
}

Result<TlsContext> client_tls(const std::optional<std::string>& trusted_certificates) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  error_code ec;
  context->set_verify_mode(ssl::verify_peer, ec);
  if (trusted_certificates) {
    CAIRN_RETURN_IF_ERROR(check_readable("certificate", *trusted_certificates));
    context->load_verify_file(*trusted_certificates, ec);
  } else {
    context->set_default_verify_paths(ec);
  }
  if (ec) {
    forget_errors();
    return invalid_data(fmt::format("the trusted certificates cannot be used ({})", ec.message()));
  }
  return context;
}

}  // namespace cairn
