#include "kernels/codecs/kv_formats.h"

#include <algorithm>

namespace cairn {

std::optional<KvFormat> kv_format_from_name(std::string_view name) {
  const auto is_named = [&](const KvFormatInfo& info) { return info.name == name || info.alias == name; };
  const auto found = std::ranges::find_if(kKvFormats, is_named);
  return found == kKvFormats.end() ? std::nullopt : std::optional(found->format);
}

std::string kv_format_names() {
  std::string names;
  for (const KvFormatInfo& info : kKvFormats) names.append(names.empty() ? "" : ", ").append(info.name);
  return names;
}

std::string kv_integer_format_names() {
  std::string names;
  for (const KvFormatInfo& info : kKvFormats) {
    if (kv_is_integer(info.format)) names.append(names.empty() ? "" : ", ").append(info.name);
  }
  return names;
}

std::string kv_formats_sentence() {
  std::string sentence = "there are ";
  for (const KvFormatInfo& info : kKvFormats) {
    if (&info == &kKvFormats.back()) {
      sentence += " and ";
    } else if (&info != kKvFormats.data()) {
      sentence += ", ";
    }
    sentence += info.name;
    if (info.alias.has_value()) sentence.append(" (= ").append(*info.alias).append(")");
  }
  return sentence;
}

}  // namespace cairn
