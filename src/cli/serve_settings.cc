#include "cli/serve_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"

namespace cairn {
namespace {

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

std::chrono::milliseconds as_milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

Status check_reach(const ServeOptions& options) {
  if (is_loopback(options.host) || options.api_keys.has_value() || options.allows_anybody) return {};
  return invalid_argument(
      fmt::format("--host {} lets others reach this server, and there are no keys: name a file with "
                  "--api-keys (cairn key new makes "
                  "keys), or say --allow-anybody",
                  printable(options.host)));
}

HttpServerOptions http_options(const ServeOptions& options) {
  HttpServerOptions http{.host = options.host, .port = static_cast<uint16_t>(options.port)};
  if (options.tls_certificate.has_value()) {
    http.tls = HttpTlsFiles{.certificate = *options.tls_certificate, .key = *options.tls_key};
  }
  http.body_bytes_max = options.body_bytes_max;
  http.all_bodies_bytes_max = std::max<size_t>(http.all_bodies_bytes_max, 4 * http.body_bytes_max);
  http.connections_max = static_cast<size_t>(options.connections_max);
  http.header_timeout = as_milliseconds(options.header_seconds);
  http.body_timeout = as_milliseconds(options.body_seconds);
  http.idle_timeout = as_milliseconds(options.idle_seconds);
  http.write_timeout = as_milliseconds(options.write_seconds);
  return http;
}

ServerOptions server_options(const ServeOptions& options, const ServedFacts& facts, std::string_view isa) {
  ServerOptions server{.http = http_options(options)};
  const bool is_open = options.api_keys.has_value() || options.allows_anybody;
  server.guard = {.origins = options.cors_origins,
                  .hosts = options.allowed_hosts,
                  .host_check = is_open ? HostCheck::kAnyHost : HostCheck::kNamedHosts};
  server.sharing =
      options.shares_across_tenants ? TenantSharing::kAcrossTenants : TenantSharing::kWithinTenant;
  server.texts_max = options.parallel + options.queue;
  server.metrics = {.by_tenant = options.metrics_by_tenant ? MetricsByTenant::kOn : MetricsByTenant::kOff,
                    .version = facts.version,
                    .model = facts.name,
                    .isa = std::string(isa),
                    .start_time_s = static_cast<double>(facts.created_ns) * 1e-9};
  server.engine_thread.max_requests = server.texts_max + 64;  // a text counts there a little longer than here
  server.engine_thread.mailbox_capacity =
      static_cast<size_t>(server.texts_max) + 64;  // questions come beside texts
  return server;
}

}  // namespace cairn
