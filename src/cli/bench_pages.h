// What the help of each bench says: `cairn bench NAME --help`.
#pragma once

#include <span>
#include <string_view>

#include "cli/commands.h"

namespace cairn {

struct BenchPage {
  BenchSubject subject;
  std::string_view name;
  std::string_view what;         // one sentence
  std::string_view explanation;  // what is measured, and what each column means
};

[[nodiscard]] std::span<const BenchPage> bench_pages();
// Null where no bench has this name.
[[nodiscard]] const BenchPage* bench_page(std::string_view name);

}  // namespace cairn
