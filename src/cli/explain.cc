// cairn explain: asks a server why a prompt was processed again, and says it in words.
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>

#include "base/printable.h"
#include "cli/console.h"
#include "cli/serve.h"
#include "files/json.h"
#include "server/http/http_client.h"

namespace cairn {
namespace {

Result<HttpClientReply> ask_server(const ExplainOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(HttpUrl url, HttpUrl::parse(options.url));
  if (url.path.ends_with("/v1")) url.path.resize(url.path.size() - 3);  // the base URL of an OpenAI client
  CAIRN_ASSIGN_OR_RETURN(const auto client, HttpClient::create(std::move(url)));
  HttpClientRequest request{.target = "/cairn/requests/" + options.id};
  const char* const of_environment = std::getenv("CAIRN_API_KEY");
  const std::string key = options.api_key.value_or(of_environment != nullptr ? of_environment : "");
  if (!key.empty()) request.headers.push_back({"Authorization", "Bearer " + key});
  return client->fetch_whole(std::move(request));
}

constexpr size_t kWholeSentence = 4096;  // characters

// What the server says of why not.
Status refusal_of(const HttpClientReply& reply) {
  const auto body = parse_json(reply.body, {});
  std::string words = fmt::format("the server answers with {}", reply.status);
  if (body.ok() && body->is_object()) {
    const auto* const error = body->as_object().if_contains("error");
    const auto* const message =
        error != nullptr && error->is_object() ? error->as_object().if_contains("message") : nullptr;
    if (message != nullptr && message->is_string())
      words += fmt::format(": {}", printable(message->as_string(), kWholeSentence));
  }
  if (reply.status == 404) return not_found(std::move(words));
  return internal_error(std::move(words));
}

}  // namespace

Result<ExitCode> run_explain(const ExplainOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const HttpClientReply reply, ask_server(options));
  if (reply.status != 200) return refusal_of(reply);
  CAIRN_ASSIGN_OR_RETURN(const auto body, parse_json(reply.body, {}));
  if (options.output_form == OutputForm::kJson) {
    console.write(boost::json::serialize(body) + "\n");
    return ExitCode::kDone;
  }
  const auto* const words = body.is_object() ? body.as_object().if_contains("words") : nullptr;
  if (words == nullptr || !words->is_string()) {
    return invalid_data("what answers there is no Cairn server: its reply has no explanation");
  }
  console.write(with_flags(printable(words->as_string(), kWholeSentence)) + "\n");
  return ExitCode::kDone;
}

}  // namespace cairn
