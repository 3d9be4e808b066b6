#include "text/jinja/vectors_testing.h"

#include <fstream>
#include <sstream>

namespace cairn::jinja {

std::string read_testdata(const std::string& name) {
  std::ifstream file(std::string(CAIRN_SOURCE_DIR) + "/src/text/jinja/testdata/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<SmallCase> read_small_cases(const std::string& name) {
  std::vector<SmallCase> cases;
  const boost::json::value parsed = boost::json::parse(read_testdata(name));
  for (const boost::json::value& each : parsed.as_array()) {
    SmallCase made{std::string(each.at(0).as_string()), {}};
    if (each.at(1).is_string()) made.expected = std::string(each.at(1).as_string());
    cases.push_back(std::move(made));
  }
  return cases;
}

Result<std::string> render_small(const std::string& source) {
  CAIRN_ASSIGN_OR_RETURN(const ChatTemplate parsed, ChatTemplate::parse(source));
  const std::vector<ChatMessage> messages = {
      {"user", "Hi there"}, {"assistant", "Yes\n"}, {"user", "äöü ß 🙂"}};
  ChatTemplateOptions options;
  options.bos_token = "<s>";
  options.eos_token = "</s>";
  options.now = kTestNow;
  options.variables = {
      {"flag", false}, {"name", std::string("  Ada Lovelace ")}, {"tag", std::string("a-b-c")}};
  return parsed.render(messages, options);
}

std::vector<ChatMessage> messages_of(const boost::json::value& conversation) {
  std::vector<ChatMessage> messages;
  for (const boost::json::value& message : conversation.as_array()) {
    messages.push_back(
        {std::string(message.at("role").as_string()), std::string(message.at("content").as_string())});
  }
  return messages;
}

}  // namespace cairn::jinja
