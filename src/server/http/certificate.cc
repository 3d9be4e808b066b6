#include "server/http/certificate.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <optional>

#include "base/printable.h"

namespace cairn {
namespace {

std::optional<CertificateTime> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return CertificateTime(std::chrono::seconds(::timegm(&parts)));
}

}  // namespace

Result<CertificateTimes> certificate_times(const std::string& path) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(path.c_str(), "r"), &BIO_free);
  if (file == nullptr) {
    ERR_clear_error();
    return not_found(fmt::format("the certificate file {} cannot be read", printable_path(path)));
  }
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), &X509_free);
  ERR_clear_error();
  const auto begins = certificate == nullptr ? std::nullopt : time_of(X509_get0_notBefore(certificate.get()));
  const auto ends = certificate == nullptr ? std::nullopt : time_of(X509_get0_notAfter(certificate.get()));
  if (!begins.has_value() || !ends.has_value()) {
    return invalid_data(
        fmt::format("the certificate file {} holds no certificate in PEM form", printable_path(path)));
  }
  return CertificateTimes{*begins, *ends};
}

std::vector<std::string> certificate_notes(const CertificateTimes& times, const std::string& path,
                                           CertificateTime now) {
  constexpr std::chrono::days kSoon{14};
  const std::string name = "the certificate of " + printable_path(path);
  if (now < times.begins) {
    return {fmt::format("{} is not valid before {}: clients refuse it until then; or is the clock wrong?",
                        name, certificate_time_text(times.begins))};
  }
  if (now > times.ends) {
    return {fmt::format("{} ended at {}: clients refuse it; renew it and send SIGHUP, or is the clock wrong?",
                        name, certificate_time_text(times.ends))};
  }
  if (times.ends - now < kSoon) {
    return {fmt::format("{} ends at {}: renew it before and send SIGHUP", name,
                        certificate_time_text(times.ends))};
  }
  return {};
}

std::string certificate_time_text(CertificateTime time) {
  const auto seconds = static_cast<std::time_t>(time.time_since_epoch().count());
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "?";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", parts);
}

}  // namespace cairn
