// Published shapes: the config.json of well-known models, by the names that `cairn plan --preset` takes: what
// their authors published, in the fields that decide about memory and work. GPT-3 and OPT-30B, which have no
// such file in a family of ours, as a GPT-2 of their shape (OPT's ffn has another activation, which takes the
// same memory).
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <span>
#include <string_view>

namespace cairn {

std::span<const std::string_view> published_shape_names();
// For plan_model(config, type).
std::optional<boost::json::object> published_config(std::string_view name);

}  // namespace cairn
