// TLS contexts from certificate and key files, and for clients. For the .cc files of this folder: brings in Asio.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "cairn/status.h"
#include "server/http/http_server.h"

namespace cairn {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

// TLS 1.2 and later. Errors name the file that is at fault.
Result<TlsContext> server_tls(const HttpTlsFiles& files);

// Checks servers against the system's certificates, or against those of one PEM file.
Result<TlsContext> client_tls(const std::optional<std::string>& trusted_certificates);

}  // namespace cairn
