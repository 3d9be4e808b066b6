#include "cli/flag_names.h"

#include <algorithm>
#include <array>

namespace cairn {
namespace {

struct FlagName {
  std::string_view option;  // as LlmOptions and AttentionCacheOptions name it
  std::string_view flag;
};

constexpr std::array<FlagName, 6> kFlagNames{{{"context", "--context"},
                                              {"kv_plan", "--kv"},
                                              {"kv_memory_bytes", "--kv-memory"},
                                              {"prefill_chunk", "--prefill-chunk"},
                                              {"thread_count", "--threads"},
                                              {"isa", "--isa"}}};

}  // namespace

std::string with_flags(std::string_view message) {
  constexpr char kQuote = '`';
  std::string text;
  while (true) {
    const size_t begin = message.find(kQuote);
    const size_t end = begin == std::string_view::npos ? begin : message.find(kQuote, begin + 1);
    if (end == std::string_view::npos) return text.append(message);
    const std::string_view name = message.substr(begin + 1, end - begin - 1);
    const auto* known = std::ranges::find(kFlagNames, name, &FlagName::option);
    // The second quote may open the next name, where the first one stood alone.
    const size_t taken = known == kFlagNames.end() ? end : end + 1;
    text.append(message.substr(0, known == kFlagNames.end() ? end : begin));
    if (known != kFlagNames.end()) text.append(known->flag);
    message.remove_prefix(taken);
  }
}

}  // namespace cairn
