// Published shapes: the config.json of well-known models, by the names that `cairn plan --preset` takes: what
// their authors published, in the fields that decide about memory and work. GPT-3 and OPT-30B, which have no
// such file in a family of ours, as a GPT-2 of their shape (OPT's ffn has another activation, which takes the
// same memory).
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cairn {

std::span<const std::string_view> published_shape_names();
// For plan_model(config, type).
std::optional<boost::json::object> published_config(std::string_view name);

// Models whose family does not run here: what decides about their keys and values, and no more.
struct PublishedCacheShape {
  std::string_view name;
  int64_t layer_count, head_count, kv_head_count, head_dim, context_length;
};
std::span<const PublishedCacheShape> published_cache_shapes();

}  // namespace cairn
