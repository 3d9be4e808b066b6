// The bounds of a TextCall: what a client may ask for, in numbers. Each is far above what real clients send, and low
// enough that a hostile body costs little; the limits that an operator sets (bytes of a body, tokens) come before them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn {

// The operator's limit of a request's body comes before it, and is at most this.
inline constexpr size_t kBodyBytesMax = size_t{64} << 20;
inline constexpr size_t kBodyDepthMax = 64;    // schemas nest; nothing else goes deeper than ten
inline constexpr size_t kMessagesMax = 8192;   // messages, or items of Responses' input
inline constexpr size_t kPartsMax = 1024;      // of one message's content
inline constexpr size_t kToolCallsMax = 128;   // of one message
inline constexpr size_t kToolsMax = 128;       // OpenAI's own limit
inline constexpr size_t kNameBytesMax = 128;   // of a tool, a schema, a role
inline constexpr size_t kModelBytesMax = 256;  // of a model's name
inline constexpr size_t kStopsMax = 16;        // OpenAI: 4
inline constexpr size_t kStopBytesMax = 256;   // the text that a stop string withholds is as long
inline constexpr size_t kPromptsMax = 64;
inline constexpr int64_t kSamplesMax = 16;  // n
inline constexpr int64_t kChoicesMax = 64;  // n times prompts
inline constexpr int64_t kTopLogprobsMax = 20;
inline constexpr int64_t kMaxTokensMax = int64_t{1} << 31;
inline constexpr size_t kLogitBiasMax = 1024;
inline constexpr double kLogitBiasAbsMax = 100;  // OpenAI's
inline constexpr double kTemperatureMax = 2;     // OpenAI's
inline constexpr double kPenaltyAbsMax = 2;      // OpenAI's, of frequency and presence
inline constexpr double kRepetitionPenaltyMax = 100;
inline constexpr size_t kSaltBytesMax = 256;
inline constexpr int64_t kPriorityAbsMax = 1000;
inline constexpr int64_t kDeadlineMsMax = int64_t{24} * 60 * 60 * 1000;
inline constexpr size_t kTemplateVariablesMax = 32;
inline constexpr size_t kMetadataMax = 16;  // OpenAI's own limit
inline constexpr size_t kTokenizeTokensMax = size_t{1} << 20;

}  // namespace cairn
