#include "cli/serve_settings.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

using std::chrono::milliseconds;

ServerOptions settings_of(const ServeOptions& options) {
  ServedFacts facts;
  facts.name = "m";
  facts.version = "1.2";
  facts.created_ns = 1'500'000'000;
  return server_options(options, facts, "avx2");
}

TEST(ServeSettings, EveryLimitReachesTheSockets) {
  ServeOptions options;
  options.host = "::1";
  options.port = 65535;
  options.body_bytes_max = 1000;
  options.connections_max = 7;
  options.header_seconds = 0.25;
  options.body_seconds = 1.5;
  options.idle_seconds = 3;
  options.write_seconds = 4;
  const HttpServerOptions http = http_options(options);
  EXPECT_EQ(http.host, "::1");
  EXPECT_EQ(http.port, 65535);
  EXPECT_FALSE(http.tls.has_value());
  EXPECT_EQ(http.body_bytes_max, 1000U);
  EXPECT_EQ(http.connections_max, 7U);
  EXPECT_EQ(http.header_timeout, milliseconds(250));
  EXPECT_EQ(http.body_timeout, milliseconds(1500));
  EXPECT_EQ(http.idle_timeout, milliseconds(3000));
  EXPECT_EQ(http.write_timeout, milliseconds(4000));
  EXPECT_EQ(settings_of(options).http.port, 65535);
}

TEST(ServeSettings, BothFilesOfTlsAreNamed) {
  ServeOptions options;
  options.tls_certificate = "cert.pem";
  options.tls_key = "key.pem";
  const HttpServerOptions http = http_options(options);
  ASSERT_TRUE(http.tls.has_value());
  EXPECT_EQ(http.tls->certificate, "cert.pem");
  EXPECT_EQ(http.tls->key, "key.pem");
}

// Several bodies of the largest size have room at once, whatever that is.
TEST(ServeSettings, ThereIsRoomForSeveralBodies) {
  ServeOptions options;
  EXPECT_EQ(http_options(options).all_bodies_bytes_max, HttpServerOptions().all_bodies_bytes_max);
  options.body_bytes_max = HttpServerOptions().all_bodies_bytes_max;
  EXPECT_EQ(http_options(options).all_bodies_bytes_max, 4 * options.body_bytes_max);
}

TEST(ServeSettings, WithoutKeysOnlyNamesOfThisMachineAreAnsweredTo) {
  ServeOptions options;
  options.cors_origins = {"https://a"};
  options.allowed_hosts = {"b"};
  const BrowserGuardOptions guard = settings_of(options).guard;
  EXPECT_EQ(guard.origins, options.cors_origins);
  EXPECT_EQ(guard.hosts, options.allowed_hosts);
  EXPECT_EQ(guard.host_check, HostCheck::kNamedHosts);
  options.allows_anybody = true;
  EXPECT_EQ(settings_of(options).guard.host_check, HostCheck::kAnyHost);
  options.allows_anybody = false;
  options.api_keys = "keys";
  EXPECT_EQ(settings_of(options).guard.host_check, HostCheck::kAnyHost);
}

TEST(ServeSettings, TenantsShareOnlyWhereThatIsAskedFor) {
  ServeOptions options;
  EXPECT_EQ(settings_of(options).sharing, TenantSharing::kWithinTenant);
  options.shares_across_tenants = true;
  EXPECT_EQ(settings_of(options).sharing, TenantSharing::kAcrossTenants);
}

// No text that has a place is refused by the engine's thread.
TEST(ServeSettings, TheEngineHasRoomForEveryTextThatIsLetIn) {
  ServeOptions options;
  options.parallel = 3;
  options.queue = 2000;
  const ServerOptions server = settings_of(options);
  EXPECT_EQ(server.texts_max, 2003);
  EXPECT_GT(server.engine_thread.max_requests, server.texts_max);
  EXPECT_GT(server.engine_thread.mailbox_capacity, static_cast<size_t>(server.texts_max));
}

TEST(ServeSettings, MetricsNameWhatRuns) {
  ServeOptions options;
  const MetricsOptions metrics = settings_of(options).metrics;
  EXPECT_EQ(metrics.by_tenant, MetricsByTenant::kOff);
  EXPECT_EQ(metrics.version, "1.2");
  EXPECT_EQ(metrics.model, "m");
  EXPECT_EQ(metrics.isa, "avx2");
  EXPECT_EQ(metrics.start_time_s, 1.5);
  options.metrics_by_tenant = true;
  EXPECT_EQ(settings_of(options).metrics.by_tenant, MetricsByTenant::kOn);
}

TEST(ServeSettings, OthersReachItOnlyWithKeysOrWhereAnybodyMay) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "localhost", "::1"}) {
    EXPECT_TRUE(check_reach({.host = host}).ok()) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org"}) {
    const Status refused = check_reach({.host = host});
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << host;
    EXPECT_NE(refused.message().find(std::string("--host ") + host), std::string::npos) << refused.message();
    EXPECT_TRUE(check_reach({.host = host, .api_keys = "keys"}).ok()) << host;
    EXPECT_TRUE(check_reach({.host = host, .allows_anybody = true}).ok()) << host;
  }
}

}  // namespace
}  // namespace cairn
