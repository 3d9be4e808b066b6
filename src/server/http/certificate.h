// When a server's certificate begins and ends to be valid, and what to say of that: a server with one that is not valid runs (a
// wrong clock must not keep it down), but its clients will not have it. Anyone may call, from any thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cairn/status.h"

namespace cairn {

using CertificateTime = std::chrono::sys_seconds;

struct CertificateTimes {
  CertificateTime begins, ends;
};

// Of the first certificate of a PEM file, which is the server's own. Errors: kNotFound, kInvalidData.
Result<CertificateTimes> certificate_times(const std::string& path);

// A sentence where it has ended, has not begun, or ends within two weeks of `now`; else none.
[[nodiscard]] std::vector<std::string> certificate_notes(const CertificateTimes& times,
                                                         const std::string& path, CertificateTime now);

// "2026-11-30 06:56:57 UTC".
[[nodiscard]] std::string certificate_time_text(CertificateTime time);

}  // namespace cairn
