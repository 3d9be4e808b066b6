// /v1/models: what can be asked for. Pure functions from plain data to JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace cairn {

struct ServedModel {
  std::string id;
  int64_t created = 0;  // Unix time in seconds
  std::optional<int64_t> context_length =
      {};  // tokens; written as "max_model_len", which several clients read
};

// {"object":"list","data":[...]}, and one of its entries.
[[nodiscard]] std::string models_body(std::span<const ServedModel> models);
[[nodiscard]] std::string model_body(const ServedModel& model);

}  // namespace cairn
