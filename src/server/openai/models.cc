#include "server/openai/models.h"

#include "server/openai/json_writer.h"

namespace cairn {
namespace {

void put_model(JsonWriter& json, const ServedModel& model) {
  json.open('{').text("id", model.id).text("object", "model").integer("created", model.created);
  json.text("owned_by", "cairn");
  if (model.context_length.has_value()) json.integer("max_model_len", *model.context_length);
  json.close('}');
}

}  // namespace

std::string models_body(std::span<const ServedModel> models) {
  std::string out;
  JsonWriter json(out);
  json.open('{').text("object", "list").key("data").open('[');
  for (const ServedModel& model : models) put_model(json, model);
  json.close(']').close('}');
  return out;
}

std::string model_body(const ServedModel& model) {
  std::string out;
  JsonWriter json(out);
  put_model(json, model);
  return out;
}

}  // namespace cairn
