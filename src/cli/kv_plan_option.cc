#include "cli/kv_plan_option.h"

#include "base/mapped_file.h"
#include "base/printable.h"

namespace cairn {

Result<KvPlan> read_kv_plan(const std::string& text) {
  if (!text.starts_with('@')) return KvPlan::parse(text);
  const std::string path = text.substr(1);
  CAIRN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  constexpr size_t kMost = 1 << 20;
  if (file.bytes().size() > kMost) {
    return invalid_argument(printable_path(path) + " is larger than any KV plan: at most 1 MiB");
  }
  const auto* content = reinterpret_cast<const char*>(file.bytes().data());
  return KvPlan::parse_text_or_json({content, file.bytes().size()});
}

}  // namespace cairn
