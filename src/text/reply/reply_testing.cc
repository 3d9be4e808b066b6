#include "text/reply/reply_testing.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace cairn {
namespace {

std::string text_at(const boost::json::object& object, const char* key) {
  const boost::json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

}  // namespace

Tokenizer byte_tokenizer(const std::vector<std::string>& controls) {
  TokenizerTables tables{.model = "llama",
                         .tokens = {"<unk>", "<s>", "</s>"},
                         .types = {2, 3, 3},
                         .bos = 1,
                         .eos = 2,
                         .unk = 0,
                         .add_bos = true,
                         .add_eos = false,
                         .add_space_prefix = false};
  for (const std::string& control : controls) {
    tables.tokens.push_back(control);
    tables.types.push_back(static_cast<int64_t>(TokenType::kControl));
  }
  for (int byte = 0; byte < 256; ++byte) {
    tables.tokens.push_back(fmt::format("<0x{:02X}>", byte));
    tables.types.push_back(static_cast<int64_t>(TokenType::kByte));
  }
  tables.scores.assign(tables.tokens.size(), 0);
  auto tokenizer = make_tokenizer(std::move(tables));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return *tokenizer;
}

std::string read_text_file(const std::string& path) {
  std::ifstream file(std::string(CAIRN_SOURCE_DIR) + "/src/text/" + path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const std::vector<std::string>& family_controls() {
  static const std::vector<std::string> controls{"<|im_start|>",
                                                 "<|im_end|>",
                                                 "<|start_header_id|>",
                                                 "<|end_header_id|>",
                                                 "<|eot_id|>",
                                                 "<|eom_id|>",
                                                 "<|python_tag|>",
                                                 "[INST]",
                                                 "[/INST]",
                                                 "[TOOL_CALLS]",
                                                 "[AVAILABLE_TOOLS]",
                                                 "[/AVAILABLE_TOOLS]",
                                                 "[TOOL_RESULTS]",
                                                 "[/TOOL_RESULTS]",
                                                 "[ARGS]",
                                                 "<|tool_call|>",
                                                 "<|/tool_call|>",
                                                 "<|tool|>",
                                                 "<|/tool|>",
                                                 "<|start|>",
                                                 "<|end|>",
                                                 "<|message|>",
                                                 "<|channel|>",
                                                 "<|constrain|>",
                                                 "<|call|>",
                                                 "<|return|>",
                                                 "<start_of_turn>",
                                                 "<end_of_turn>"};
  return controls;
}

ChatPrompter family_prompter(const std::string& path) {
  auto made =
      ChatPrompter::create(byte_tokenizer(family_controls()), {.model_template = read_text_file(path)});
  EXPECT_TRUE(made.ok()) << path << ": " << made.status().message();
  EXPECT_TRUE(made->notes().empty()) << path << ": " << made->notes()[0];
  return std::move(made).value();
}

ChatTurn turn_of(const boost::json::object& message) {
  ChatTurn turn{.role = text_at(message, "role"),
                .content = text_at(message, "content"),
                .reasoning = text_at(message, "reasoning"),
                .tool_call_id = text_at(message, "tool_call_id"),
                .name = text_at(message, "name")};
  if (const auto* calls = message.if_contains("tool_calls")) {
    for (const auto& each : calls->as_array()) {
      const auto& function = each.at("function").as_object();
      turn.tool_calls.push_back(
          {text_at(each.as_object(), "id"), text_at(function, "name"), text_at(function, "arguments")});
    }
  }
  return turn;
}

ToolSpec tool_of(const boost::json::object& tool) {
  const auto& function = tool.at("function").as_object();
  return {.name = text_at(function, "name"),
          .description = text_at(function, "description"),
          .parameters = function.at("parameters").as_object(),
          .raw = tool};
}

ToolSpec simple_tool(const std::string& name) {
  return tool_of({{"type", "function"},
                  {"function",
                   {{"name", name},
                    {"description", "A tool."},
                    {"parameters", {{"type", "object"}, {"properties", boost::json::object()}}}}}});
}

}  // namespace cairn
