#include "server/http/certificate.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testing.h"
#include "server/http/http_testing.h"
#include "server/http/tls_testing.h"

namespace cairn {
namespace {

using std::chrono::days;
using std::chrono::seconds;

CertificateTime now() { return std::chrono::floor<seconds>(std::chrono::system_clock::now()); }

// What is said of a certificate that is valid from so many days to so many days from now.
std::vector<std::string> notes(int64_t begins_in, int64_t ends_in) {
  return certificate_notes({now() + days(begins_in), now() + days(ends_in)}, "cert.pem", now());
}

TEST(Certificate, SaysWhereItIsNotValidOrSoonWillNotBe) {
  EXPECT_EQ(notes(-1, 90), std::vector<std::string>());
  ASSERT_EQ(notes(-9, -1).size(), 1U);
  EXPECT_NE(notes(-9, -1)[0].find("the certificate of cert.pem ended at 20"), std::string::npos)
      << notes(-9, -1)[0];
  ASSERT_EQ(notes(1, 90).size(), 1U);
  EXPECT_NE(notes(1, 90)[0].find("is not valid before 20"), std::string::npos) << notes(1, 90)[0];
  ASSERT_EQ(notes(-1, 13).size(), 1U);
  EXPECT_NE(notes(-1, 13)[0].find("cert.pem ends at 20"), std::string::npos) << notes(-1, 13)[0];
}

TEST(Certificate, ItsTimesAreReadFromTheFile) {
  const TemporaryFolder folder;
  const HttpTlsFiles files =
      make_certificate(folder.path(), "one", {.begins = seconds(-60), .ends = days(30)});
  const auto times = certificate_times(files.certificate);
  ASSERT_TRUE(times.ok()) << times.status().message();
  constexpr seconds kSlack{600};
  EXPECT_LE(times->begins, now() - seconds(50));
  EXPECT_GE(times->begins, now() - seconds(60) - kSlack);
  EXPECT_GE(times->ends, now() + days(30) - kSlack);
  EXPECT_LE(times->ends, now() + days(30));
  EXPECT_EQ(certificate_times(files.key).status().code(), StatusCode::kInvalidData);
  EXPECT_EQ(certificate_times(folder.at("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(certificate_time_text(CertificateTime(seconds(0))), "1970-01-01 00:00:00 UTC");
}

// A wrong clock must not keep a server down.
TEST(Certificate, AServerWithOneThatHasEndedStarts) {
  const TemporaryFolder folder;
  HttpServerOptions options = small_limits();
  options.tls = make_certificate(folder.path(), "old", {.begins = -days(9), .ends = -days(1)});
  FunctionHandler nobody([](const std::shared_ptr<HttpExchange>&) {});
  EXPECT_TRUE(HttpServer::start(options, nobody).ok());
}

}  // namespace
}  // namespace cairn
