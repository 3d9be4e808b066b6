#include "server/http/listener.h"

#include <fmt/format.h>

#include <boost/asio/ip/v6_only.hpp>
#include <utility>

namespace cairn {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Of a name with several addresses the first of IPv4, which is what most clients try: "localhost" is 127.0.0.1.
Result<tcp::endpoint> resolve(const asio::any_io_executor& executor, const std::string& host, uint16_t port) {
  error_code ec;
  const auto address = asio::ip::make_address(host, ec);
  if (!ec) return tcp::endpoint(address, port);
  tcp::resolver resolver(executor);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, ec);
  if (ec || found.empty()) {
    return invalid_argument(fmt::format("`host` is {}, which is no address and no known name", host));
  }
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

Status bind_error(const error_code& ec, const std::string& host, uint16_t port) {
  if (ec == asio::error::address_in_use) {
    return resource_exhausted(fmt::format("port {} of {} is in use: choose another with `port`", port, host));
  }
  if (ec == asio::error::access_denied) {
    return invalid_argument(
        fmt::format("this user may not listen at port {}: choose one above 1023 with `port`", port));
  }
  if (ec == error_code(EADDRNOTAVAIL, boost::system::system_category())) {
    return invalid_argument(
        fmt::format("this machine does not have the address {}: choose another with `host`", host));
  }
  return internal_error(fmt::format("cannot listen at {}: {}", host_and_port(host, port), ec.message()));
}

}  // namespace

std::string host_and_port(const std::string& host, uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<tcp::acceptor> listen_at(const asio::any_io_executor& executor, const std::string& host,
                                uint16_t port) {
  CAIRN_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, resolve(executor, host, port));
  tcp::acceptor acceptor(executor);
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  // "::" listens to IPv4 too, whatever the system's default.
  if (!ec && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return bind_error(ec, host, port);
  return acceptor;
}

}  // namespace cairn
