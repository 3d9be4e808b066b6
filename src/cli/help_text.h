// Words that teach how to use the program: shown by `cairn`, `cairn --help` and below each command's options.
#pragma once

#include <string>

namespace cairn {

[[nodiscard]] std::string overview_text();
[[nodiscard]] std::string version_text();
// "0.1.0".
[[nodiscard]] std::string version_number();

extern const char* const kGenerateExamples;
extern const char* const kChatExamples;
extern const char* const kTokenizeExamples;
extern const char* const kModelExamples;
extern const char* const kSynthExamples;
extern const char* const kPlanExamples;
extern const char* const kVerifyExamples;
extern const char* const kBenchExamples;
extern const char* const kServeExamples;
extern const char* const kExplainExamples;
extern const char* const kKeyExamples;
extern const char* const kCacheExamples;

}  // namespace cairn
