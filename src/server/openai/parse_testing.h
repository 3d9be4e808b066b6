// What tests of the parsers share: bodies that differ in one field, and what becomes of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "server/openai/call.h"
#include "server/openai/error.h"

namespace cairn {

using CallParser = ApiResult<TextCall> (*)(std::string_view);

// A field that is wrong, and the one that the error names.
struct BadField {
  std::string_view fields;
  std::string_view param;
};

inline void expect_refused(CallParser parse, const std::string& body, std::string_view param) {
  const auto call = parse(body);
  ASSERT_FALSE(call.ok()) << body;
  EXPECT_EQ(call.error().status, 400) << body;
  EXPECT_EQ(call.error().type, "invalid_request_error") << body;
  EXPECT_EQ(call.error().param, param) << body << "\n" << call.error().message;
  EXPECT_NE(call.error().message.find(param), std::string::npos) << call.error().message;
}

// The call of a body that is right.
inline TextCall parsed(CallParser parse, const std::string& body) {
  auto call = parse(body);
  EXPECT_TRUE(call.ok()) << body << "\n" << (call.ok() ? "" : call.error().message);
  return call.ok() ? *std::move(call) : TextCall{};
}

}  // namespace cairn
