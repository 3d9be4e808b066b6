// Listener: the address that a server listens at. For the .cc files of this folder: brings in Asio.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "cairn/status.h"

namespace cairn {

// Listening when it returns. Errors say which of `host` and `port` is at fault, and what to do.
Result<boost::asio::ip::tcp::acceptor> listen_at(const boost::asio::any_io_executor& executor,
                                                 const std::string& host, uint16_t port);

// "127.0.0.1:80", "[::1]:80"
[[nodiscard]] std::string host_and_port(const std::string& host, uint16_t port);

}  // namespace cairn
