// Ollama's lists of models: /api/tags, /api/ps, /api/show, /api/version.
#include "server/ollama/reply.h"
#include "server/ollama/utc_time.h"
#include "server/openai/json_writer.h"

namespace cairn {
namespace {

// Clients look models up by "name:tag".
std::string tagged(const std::string& name) {
  return name.find(':') == std::string::npos ? name + ":latest" : name;
}

void put_details(JsonWriter& json, const OllamaModel& model) {
  json.key("details")
      .open('{')
      .text("parent_model", "")
      .text("format", model.format)
      .text("family", model.family);
  json.key("families").open('[').text(model.family).close(']');
  json.text("parameter_size", model.parameter_size)
      .text("quantization_level", model.quantization_level)
      .close('}');
}

void put_names(JsonWriter& json, const OllamaModel& model) {
  constexpr size_t kDigestDigits = 64;
  json.text("name", tagged(model.name)).text("model", tagged(model.name)).integer("size", model.bytes);
  json.text("digest", model.digest.empty() ? std::string(kDigestDigits, '0') : model.digest);
  put_details(json, model);
}

}  // namespace

std::string ollama_tags_body(std::span<const OllamaModel> models) {
  std::string out;
  JsonWriter json(out);
  json.open('{').key("models").open('[');
  for (const OllamaModel& model : models) {
    json.open('{');
    put_names(json, model);
    json.text("modified_at", utc_time(model.modified_ns)).close('}');
  }
  json.close(']').close('}');
  return out;
}

std::string ollama_ps_body(std::span<const OllamaModel> models) {
  // The model stays as long as the server does; clients want a time.
  constexpr std::string_view kNever = "9999-12-31T23:59:59Z";
  std::string out;
  JsonWriter json(out);
  json.open('{').key("models").open('[');
  for (const OllamaModel& model : models) {
    json.open('{');
    put_names(json, model);
    json.text("expires_at", kNever).integer("size_vram", 0).integer("context_length", model.context_length);
    json.close('}');
  }
  json.close(']').close('}');
  return out;
}

std::string ollama_show_body(const OllamaModel& model, std::string_view chat_template,
                             const boost::json::object& model_info,
                             const std::vector<std::string>& capabilities) {
  std::string out;
  JsonWriter json(out);
  json.open('{').text("modelfile", "").text("parameters", "").text("template", chat_template);
  put_details(json, model);
  json.key("model_info").value(model_info).key("capabilities").open('[');
  for (const std::string& capability : capabilities) json.text(capability);
  json.close(']').text("modified_at", utc_time(model.modified_ns)).close('}');
  return out;
}

std::string ollama_version_body(std::string_view version) {
  std::string out;
  JsonWriter json(out);
  json.open('{').text("version", version).close('}');
  return out;
}

}  // namespace cairn
