// The routes that read a body: texts, text to tokens and back, and which model is meant.
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "server/ollama/parse.h"
#include "server/openai/tokenize.h"
#include "server/server.h"
#include "server/text_calls.h"
#include "server/web_reply.h"

namespace cairn {

// On a worker's thread; `function` makes the reply.
template <typename Function>
void Server::work(const Asked& asked, Function function) {
  workers_->post(
      [exchange = asked.exchange, function = std::move(function)] {
        try {
          exchange->reply(function(exchange->request()));
        } catch (const std::bad_alloc&) {
          exchange->reply(error_reply(unavailable_error("out of memory: try again later")));
        }
      },
      asked.tenant->id.value);
}

void Server::answer_text(const Asked& asked, ApiFace face) {
  answer_text_call(*service_, asked.exchange,
                   {.face = face, .tenant = asked.tenant, .id = asked.id, .arrived_ns = clock_.now_ns()});
}

void Server::answer_tokenize(const Asked& asked) {
  work(asked, [this](const HttpRequest& request) {
    auto call = parse_tokenize_call(request.body);
    if (!call.ok()) return error_reply(call.error());
    if (const auto error = check_model(*service_, call->model)) return error_reply(*error);
    std::vector<TokenId> tokens;
    constexpr size_t kTextBytesMax = size_t{1} << 20;  // a second of work
    if (call->text.has_value() && call->text->size() > kTextBytesMax) {
      return error_reply(too_large_error("a text to tokenize has 1 MiB at most"));
    }
    if (call->text.has_value()) {
      auto encoded =
          tokenizer_.encode(*call->text, {.bos_eos = call->add_special ? BosEos::kOfPrompt : BosEos::kNone});
      if (!encoded.ok()) return error_reply(invalid_request("content", encoded.status().message()));
      tokens = std::move(*encoded);
    } else {
      auto prompt = chat_prompt_of(*service_, call->messages, call->tools, call->template_variables);
      if (!prompt.ok()) return error_reply(prompt.error());
      tokens = std::move(prompt->tokens);
    }
    std::vector<std::string> pieces;
    if (call->with_pieces) {
      for (const TokenId token : tokens) pieces.emplace_back(tokenizer_.token_text(token));
    }
    return json_reply(tokenize_body(tokens, pieces, facts_.longest_text));
  });
}

void Server::answer_detokenize(const Asked& asked) {
  work(asked, [this](const HttpRequest& request) {
    auto call = parse_detokenize_call(request.body);
    if (!call.ok()) return error_reply(call.error());
    if (const auto error = check_model(*service_, call->model)) return error_reply(*error);
    for (const TokenId token : call->tokens) {
      if (token < tokenizer_.vocab_size()) continue;
      return error_reply(
          invalid_request("tokens", "token " + std::to_string(token) + " is none of this model's"));
    }
    return json_reply(detokenize_body(tokenizer_.decode(call->tokens)));
  });
}

void Server::answer_show(const Asked& asked) {
  work(asked, [this](const HttpRequest& request) { return show_reply(request); });
}

HttpReply Server::show_reply(const HttpRequest& request) const {
  const auto name = parse_ollama_show(request.body);
  if (!name.ok()) return error_reply(name.error(), request.head.path);
  if (const auto error = check_model(*service_, *name)) return error_reply(*error, request.head.path);
  std::vector<std::string> capabilities{"completion"};
  if (prompter_.takes_tools()) capabilities.emplace_back("tools");
  if (prompter_.format().reasoning.has_value() || prompter_.format().has_harmony_channels) {
    capabilities.emplace_back("thinking");
  }
  return json_reply(ollama_show_body(facts_.ollama, facts_.chat_template, facts_.model_info, capabilities));
}

}  // namespace cairn
