// /tokenize and /detokenize, in words that clients of llama.cpp and of vLLM both know.
//   {"content" | "prompt": TEXT, or "messages": [...], "tools": [...]; "add_special": bool, "with_pieces": bool}
//     -> {"tokens":[...],"count":N,"max_model_len":N}; with pieces each token is {"id":N,"piece":TEXT or BYTES}
//   {"tokens":[...]} -> {"content":TEXT,"prompt":TEXT}
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/chat_message.h"
#include "cairn/ids.h"
#include "server/openai/call.h"
#include "server/openai/error.h"
#include "text/reply/chat_turn.h"

namespace cairn {

struct TokenizeCall {
  std::string model = {};                // empty: none named
  std::optional<std::string> text = {};  // absent: messages
  std::vector<ChatTurn> messages = {};
  std::vector<CallTool> tools = {};
  std::vector<std::pair<std::string, TemplateVariable>> template_variables = {};
  // Whether a text gets the tokens that a prompt would (BOS): true unless "add_special" or vLLM's "add_special_tokens"
  // says otherwise. A template has its own.
  bool add_special = true;
  bool with_pieces = false;  // also vLLM's "return_token_strs"
};
[[nodiscard]] ApiResult<TokenizeCall> parse_tokenize_call(std::string_view body);

// `pieces`: the bytes of each token where they were asked for, else empty.
[[nodiscard]] std::string tokenize_body(std::span<const TokenId> tokens, std::span<const std::string> pieces,
                                        int64_t context_length);

struct DetokenizeCall {
  std::string model = {};
  std::vector<TokenId> tokens = {};  // none is negative
};
[[nodiscard]] ApiResult<DetokenizeCall> parse_detokenize_call(std::string_view body);

[[nodiscard]] std::string detokenize_body(std::string_view text);

}  // namespace cairn
