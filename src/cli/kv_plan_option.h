// What --kv takes: a KV plan (kv/kv_plan.h), or @FILE for one in a file, as text or as JSON.
#pragma once

#include <string>

#include "cairn/status.h"
#include "kv/kv_plan.h"

namespace cairn {

// Errors: those of KvPlan::parse and parse_json, and of reading the file.
Result<KvPlan> read_kv_plan(const std::string& text);

}  // namespace cairn
