#include "cli/transcript.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <span>

#include "base/file_writer.h"
#include "base/printable.h"
#include "cli/output_format.h"
#include "files/json.h"

namespace cairn {
namespace {

namespace json = boost::json;

json::object object_of(const std::string& role, const std::string& content) {
  return {{"role", role}, {"content", json_text(content)}};
}

// One message a line: a person can read it, and tools see what changed.
std::string text_of(const Transcript& transcript) {
  std::vector<std::string> lines;
  if (transcript.system.has_value())
    lines.push_back(json::serialize(object_of("system", *transcript.system)));
  for (const ChatMessage& message : transcript.messages) {
    lines.push_back(json::serialize(object_of(message.role, message.content)));
  }
  return fmt::format("{{\"messages\": [\n{}\n]}}\n", fmt::join(lines, ",\n"));
}

Result<ChatMessage> message_of(const json::value& value) {
  const json::object* object = value.if_object();
  const json::value* role = object == nullptr ? nullptr : object->if_contains("role");
  const json::value* content = object == nullptr ? nullptr : object->if_contains("content");
  if (role == nullptr || content == nullptr || !role->is_string() || !content->is_string()) {
    return invalid_data("is no object with \"role\" and \"content\", both texts");
  }
  return ChatMessage{std::string(role->get_string()), std::string(content->get_string())};
}

Status take(ChatMessage message, bool is_first, Transcript& to) {
  if (message.role == "system" && is_first) {
    to.system = std::move(message.content);
  } else if (message.role == "user" || message.role == "assistant") {
    to.messages.push_back(std::move(message));
  } else {
    return invalid_data(
        fmt::format("has the role '{}'; there are user and assistant, and system for the first",
                    printable(message.role)));
  }
  return {};
}

}  // namespace

Status save_transcript(const std::string& path, const Transcript& transcript) {
  auto writer = FileWriter::create(path, FileReaders::kOwner);
  CAIRN_RETURN_IF_ERROR(writer.status());
  const std::string text = text_of(transcript);
  CAIRN_RETURN_IF_ERROR(writer->append(std::as_bytes(std::span(text))));
  return writer->finish();
}

Result<Transcript> load_transcript(const std::string& path) {
  constexpr JsonLimits kLimits{.bytes_max = size_t{256} << 20};
  CAIRN_ASSIGN_OR_RETURN(const json::object file, load_json_object(path, kLimits));
  const json::value* list = file.if_contains("messages");
  if (list == nullptr || !list->is_array()) {
    return invalid_data(printable_path(path) + " is no conversation: it has no list \"messages\"");
  }
  Transcript transcript;
  size_t number = 0;
  for (const json::value& each : list->get_array()) {
    auto message = message_of(each);
    const Status status =
        message.ok() ? take(std::move(message).value(), number == 0, transcript) : message.status();
    ++number;
    if (!status.ok()) {
      return invalid_data(fmt::format("{}: message {} {}", printable_path(path), number, status.message()));
    }
  }
  return transcript;
}

}  // namespace cairn
