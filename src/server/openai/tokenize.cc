#include "server/openai/tokenize.h"

#include "base/utf8.h"
#include "server/openai/call_fields.h"
#include "server/openai/call_limits.h"
#include "server/openai/json_writer.h"
#include "server/openai/message_fields.h"
#include "server/openai/token_fields.h"

namespace cairn {
namespace {

// The first of two names that is there.
template <typename T>
std::optional<T> either(std::optional<T> first, std::optional<T> second) {
  return first.has_value() ? std::move(first) : std::move(second);
}

}  // namespace

ApiResult<TokenizeCall> parse_tokenize_call(std::string_view body) {
  auto json = read_body(body);
  if (!json.ok()) return json.error();
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  TokenizeCall call;
  call.model = fields.text("model", kModelBytesMax).value_or("");
  call.text = either(fields.text("content"), fields.text("prompt"));
  call.messages = read_messages(fields, MessageRules::kOpenAi);
  call.tools = read_tools(fields, ToolFields::kNested);
  read_template_variables(fields, call.template_variables);
  call.add_special = either(fields.flag("add_special"), fields.flag("add_special_tokens")).value_or(true);
  call.with_pieces = either(fields.flag("with_pieces"), fields.flag("return_token_strs")).value_or(false);
  if (!call.text.has_value() && call.messages.empty()) {
    fields.refuse("content", "is missing: send a text as 'content' or 'prompt', or 'messages'");
  }
  if (call.text.has_value() && !call.messages.empty()) {
    fields.refuse("messages", "cannot stand beside a text: send one of them");
  }
  if (error.has_value()) return std::move(*error);
  return call;
}

std::string tokenize_body(std::span<const TokenId> tokens, std::span<const std::string> pieces,
                          int64_t context_length) {
  std::string out;
  JsonWriter json(out);
  json.open('{').key("tokens").open('[');
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (pieces.empty()) {
      json.integer(tokens[i]);
      continue;
    }
    json.open('{').integer("id", tokens[i]).key("piece");
    if (find_invalid_utf8(pieces[i]).has_value()) {
      json.bytes(pieces[i]);
    } else {
      json.text(pieces[i]);
    }
    json.close('}');
  }
  json.close(']').integer("count", static_cast<int64_t>(tokens.size()));
  json.integer("max_model_len", context_length);
  if (!pieces.empty()) {
    json.key("token_strs").open('[');
    for (const std::string& piece : pieces) json.text(piece);
    json.close(']');
  }
  json.close('}');
  return out;
}

ApiResult<DetokenizeCall> parse_detokenize_call(std::string_view body) {
  auto json = read_body(body);
  if (!json.ok()) return json.error();
  std::optional<ApiError> error;
  const FieldReader fields(*json, "", error);
  DetokenizeCall call;
  call.model = fields.text("model", kModelBytesMax).value_or("");
  const auto* tokens = fields.list("tokens", kTokenizeTokensMax);
  if (tokens == nullptr) {
    fields.refuse("tokens", "is missing");
  } else if (!tokens->empty()) {  // no tokens are an empty text
    call.tokens = read_tokens(fields, "tokens", *tokens);
  }
  if (error.has_value()) return std::move(*error);
  return call;
}

std::string detokenize_body(std::string_view text) {
  std::string out;
  JsonWriter json(out);
  json.open('{').text("content", text).text("prompt", text).close('}');
  return out;
}

}  // namespace cairn
