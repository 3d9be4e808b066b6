#include "server/text_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/local_time.h"
#include "server/ids.h"
#include "server/ollama/parse.h"
#include "server/openai/parse.h"
#include "server/web_reply.h"

namespace cairn {
namespace {

int64_t unix_time_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

ApiResult<TextCall> parse_call(ApiFace face, std::string_view body) {
  switch (face) {
    case ApiFace::kChat: return parse_chat_call(body);
    case ApiFace::kCompletions: return parse_completions_call(body);
    case ApiFace::kResponses: return parse_responses_call(body);
    case ApiFace::kOllamaChat: return parse_ollama_chat(body);
    case ApiFace::kOllamaGenerate: return parse_ollama_generate(body);
  }
  CHECK(false);
  return server_error("");
}

// Whether so many bytes cannot be as few tokens as a text may have: then nothing need be tokenized to refuse them.
bool is_surely_too_long(const Service& service, size_t bytes) {
  return bytes / service.longest_token_bytes > static_cast<size_t>(service.facts.longest_text);
}

ApiError too_long(const Service& service) {
  return context_exceeded(
      fmt::format("the prompt is longer than the {} tokens that a text may have here: send less",
                  service.facts.longest_text));
}

// What a call becomes on its way to a Generation; each step answers with what is wrong.
class CallMaker {
 public:
  CallMaker(const Service& service, const TextRequestFacts& facts) : service_(service), facts_(facts) {}

  std::optional<ApiError> make(TextCall call) {
    made_.call = std::move(call);
    made_.id = facts_.id;
    made_.tenant = facts_.tenant;
    made_.arrived_ns = facts_.arrived_ns;
    made_.created_ns = unix_time_ns();
    if (auto error = check_model(service_, made_.call.model)) return error;
    auto error = made_.call.prompts.empty() ? make_chat_prompt() : make_plain_prompts();
    if (!error.has_value()) error = check_lengths();
    if (!error.has_value()) error = check_logprobs();
    if (!error.has_value()) error = check_bias();
    if (error.has_value()) return error;
    return make_guide();
  }
  PreparedCall take() { return std::move(made_); }

 private:
  std::optional<ApiError> make_chat_prompt() {
    const TextCall& call = made_.call;
    auto prompt = chat_prompt_of(service_, call.messages, offered_tools(), call.template_variables);
    if (!prompt.ok()) return prompt.error();
    made_.prompts.push_back(std::move(prompt->tokens));
    made_.prompt_texts.push_back(std::move(prompt->text));
    made_.stop_strings = call.stops;
    std::ranges::move(prompt->stop_strings, std::back_inserter(made_.stop_strings));
    made_.format = service_.prompter.format();
    made_.reading.begins = prompt->reply_begins;
    for (const CallTool& tool : offered_tools()) made_.reading.tools.push_back(tool.spec.name);
    made_.rewrites_earlier_turns =
        made_.format.rewrites_earlier_turns &&
        std::ranges::any_of(call.messages, [](const ChatTurn& turn) { return turn.role == "assistant"; });
    return std::nullopt;
  }

  [[nodiscard]] std::span<const CallTool> offered_tools() const {
    if (made_.call.tool_choice.use == ToolUse::kNone) return {};
    return made_.call.tools;
  }

  std::optional<ApiError> make_plain_prompts() {
    made_.stop_strings = made_.call.stops;
    for (size_t i = 0; i < made_.call.prompts.size(); ++i) {
      const std::string param = made_.call.prompts.size() == 1 ? "prompt" : fmt::format("prompt[{}]", i);
      const CallPrompt& prompt = made_.call.prompts[i];
      const auto* text = std::get_if<std::string>(&prompt);
      auto error = text != nullptr ? add_text(*text, param)
                                   : add_tokens(std::get<std::vector<TokenId>>(prompt), param);
      if (error.has_value()) return error;
      if (made_.prompts.back().empty())
        return invalid_request(param, "the prompt is empty: there is nothing to go on with");
    }
    return std::nullopt;
  }

  std::optional<ApiError> add_text(const std::string& text, const std::string& param) {
    if (is_surely_too_long(service_, text.size())) return too_long(service_);
    auto tokens = service_.tokenizer.encode(text, {.bos_eos = BosEos::kOfPrompt});
    if (!tokens.ok()) return invalid_request(param, tokens.status().message());
    made_.prompts.push_back(std::move(*tokens));
    made_.prompt_texts.push_back(text);
    return std::nullopt;
  }

  std::optional<ApiError> add_tokens(const std::vector<TokenId>& tokens, const std::string& param) {
    const int64_t vocab_size = service_.tokenizer.vocab_size();
    for (const TokenId token : tokens) {
      if (token < vocab_size) continue;
      return invalid_request(param, fmt::format("token {} is none of this model's, which go from 0 to {}",
                                                token, vocab_size - 1));
    }
    made_.prompts.push_back(tokens);
    made_.prompt_texts.push_back(service_.tokenizer.decode(tokens));
    return std::nullopt;
  }

  std::optional<ApiError> check_lengths() const {
    const int64_t most = longest_text(service_, *facts_.tenant);
    for (const std::vector<TokenId>& prompt : made_.prompts) {
      if (std::ssize(prompt) <= most) continue;
      if (most < service_.facts.longest_text) return beyond_quota(prompt.size(), most);
      return context_exceeded(fmt::format(
          "the prompt has {} tokens, but a text has {} at most here: send less", prompt.size(), most));
    }
    return std::nullopt;
  }

  // The model and the whole cache have room for more: it is the tenant's part that has not.
  [[nodiscard]] ApiError beyond_quota(size_t prompt_tokens, int64_t most) const {
    const TenantConfig& tenant = facts_.tenant->config;
    const uint64_t quota = tenant.kv_quota_bytes.value_or(0);
    if (most == 0) {
      return context_exceeded(fmt::format(
          "the kv quota of '{}' is {} bytes, but the shortest text of this model takes {}: the quota must be "
          "larger",
          tenant.name, quota, service_.facts.block_bytes));
    }
    return context_exceeded(fmt::format(
        "the prompt has {} tokens, but the kv quota of '{}', {} bytes, has room for {}: send less, "
        "or ask for a larger quota",
        prompt_tokens, tenant.name, quota, most));
  }

  std::optional<ApiError> check_logprobs() {
    TextCall& call = made_.call;
    if (call.logprobs.has_value()) call.logprobs = std::min(*call.logprobs, service_.tokenizer.vocab_size());
    if (call.echo && call.logprobs.has_value() && call.n > 1) {
      return unsupported_request(
          "n", "echo with logprobs scores the prompt, which is the same for all: ask for one choice");
    }
    return std::nullopt;
  }

  std::optional<ApiError> check_bias() const {
    const int64_t vocab_size = service_.tokenizer.vocab_size();
    for (const LogitBias& bias : made_.call.sampling.logit_bias) {
      if (bias.token < vocab_size) continue;
      return invalid_request(
          "logit_bias",
          fmt::format("token {} is none of this model's, which go from 0 to {}", bias.token, vocab_size - 1));
    }
    return std::nullopt;
  }

  std::optional<ApiError> make_guide() {
    const bool starts_inside = made_.reading.begins == ReplyBeginning::kReasoning;
    auto guide = service_.constraints.guide_for(
        made_.call, made_.tenant->id,
        starts_inside ? ReasoningForm::Start::kIsOpen : ReasoningForm::Start::kMayOpen);
    if (!guide.ok()) return guide.error();
    made_.guide = std::move(*guide);
    return std::nullopt;
  }

  const Service& service_;
  const TextRequestFacts& facts_;
  PreparedCall made_;
};

// What the tenant's rate must have room for: the prompts, and some of what may follow. What really follows is charged when
// it is known, so that a reply without a limit does not count as a whole context.
Access::Wish wish_of(const PreparedCall& prepared) {
  constexpr int64_t kLikelyReply = 256;
  Access::Wish wish{.texts = static_cast<int64_t>(prepared.choice_count()), .tokens = 0};
  const int64_t reply = std::min(prepared.call.max_tokens.value_or(kLikelyReply), kLikelyReply);
  for (const auto& prompt : prepared.prompts) wish.tokens += std::ssize(prompt) + prepared.call.n * reply;
  return wish;
}

class Answerer {
 public:
  Answerer(const Service& service, std::shared_ptr<HttpExchange> exchange, TextRequestFacts facts)
      : service_(service), exchange_(std::move(exchange)), facts_(std::move(facts)) {}

  void run() {
    auto call = parse_call(facts_.face, exchange_->request().body);
    if (!call.ok()) return refuse(call.error());
    if (call->is_load_only()) return load_only(*call);
    CallMaker maker(service_, facts_);
    if (const auto error = maker.make(std::move(*call))) return refuse(*error);
    PreparedCall prepared = maker.take();
    prepared.endpoint = exchange_->request().head.path;
    auto place = service_.access.enter(facts_.tenant, wish_of(prepared));
    if (const auto* refusal = std::get_if<Access::Refusal>(&place))
      return refuse(refusal->error, refusal->retry_after_s);
    Generation::start(service_, exchange_, std::move(prepared), std::move(std::get<Access::Place>(place)));
  }

  void refuse(const ApiError& error, std::optional<int64_t> retry_after_s = std::nullopt) {
    const std::string& path = exchange_->request().head.path;
    // Not the message nor the field, which may quote the body.
    const std::string& reason = error.code.empty() ? error.type : error.code;
    const std::string id = shown_reply_id(facts_.face, facts_.id);
    service_.records.note(
        {.id = id,
         .tenant = facts_.tenant->config.name,
         .endpoint = path,
         .status = error.status,
         .outcome = RequestOutcome::kRefused,
         .duration_s = static_cast<double>(service_.clock.now_ns() - facts_.arrived_ns) * 1e-9,
         .reason = reason});
    exchange_->reply(error_reply(error, path, retry_after_s));
  }

 private:
  // Ollama's clients ask for no text where they only want the model in memory, where it is.
  void load_only(const TextCall& call) {
    if (const auto error = check_model(service_, call.model)) return refuse(*error);
    const AnswerHead head{.id = facts_.id, .created_ns = unix_time_ns(), .model = call.model};
    exchange_->reply(json_reply(ollama_load_body(call, head)));
  }

  const Service& service_;
  std::shared_ptr<HttpExchange> exchange_;
  TextRequestFacts facts_;
};

}  // namespace

int64_t longest_text(const Service& service, const ServedTenant& tenant) {
  const int64_t longest = service.facts.longest_text;
  const auto& quota = tenant.config.kv_quota_bytes;
  if (!quota.has_value()) return longest;
  if (*quota < service.facts.block_bytes) return 0;
  if (service.facts.position_bytes == 0) return longest;
  const auto positions =
      static_cast<int64_t>(*quota / (service.facts.position_bytes * kBlockSize)) * kBlockSize;
  return std::min(longest, positions);
}

std::optional<ApiError> check_model(const Service& service, std::string_view asked) {
  const std::string& name = service.facts.name;
  constexpr std::string_view kLatest = ":latest";  // Ollama's clients add it
  const bool is_it = asked.empty() || asked == name ||
                     (asked.ends_with(kLatest) && asked.substr(0, asked.size() - kLatest.size()) == name);
  return is_it ? std::nullopt : std::optional(model_not_found(asked));
}

ApiResult<ReplyPrompt> chat_prompt_of(
    const Service& service, std::span<const ChatTurn> turns, std::span<const CallTool> tools,
    const std::vector<std::pair<std::string, TemplateVariable>>& variables) {
  std::vector<ToolSpec> specs;
  for (const CallTool& tool : tools) specs.push_back(tool.spec);
  if (!specs.empty() && !service.prompter.takes_tools()) {
    return unsupported_request("tools", "this model's chat template has no tools: leave them out");
  }
  size_t bytes = 0;
  for (const ChatTurn& turn : turns) bytes += turn.content.size() + turn.reasoning.size();
  if (is_surely_too_long(service, bytes)) return too_long(service);
  auto prompt = service.prompter.prompt(turns, specs, {.variables = variables, .now = local_time_now()});
  if (!prompt.ok()) return invalid_request("messages", prompt.status().message());
  return std::move(*prompt);
}

void answer_text_call(const Service& service, std::shared_ptr<HttpExchange> exchange,
                      const TextRequestFacts& facts) {
  auto answerer = std::make_shared<Answerer>(service, std::move(exchange), facts);
  const auto run = [answerer] {
    try {
      answerer->run();
    } catch (const std::bad_alloc&) {
      answerer->refuse(unavailable_error("out of memory: try again later"));
    }
  };
  service.workers.post(run, facts.tenant->id.value);
}

}  // namespace cairn
