// Llm: from text to tokens and back.
#include <utility>

#include "base/no_throw.h"
#include "engine/beam_search.h"
#include "engine/llm_impl.h"
#include "text/conversation_start.h"

namespace cairn {
namespace {

SpecialText special_text(SpecialTokens special_tokens) {
  return special_tokens == SpecialTokens::kParsed ? SpecialText::kParsed : SpecialText::kLiteral;
}

}  // namespace

Result<std::vector<TokenId>> Llm::Impl::prompt_tokens(const TextRequest& request, BosEos bos_eos) const {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&request.prompt)) return *tokens;
  const auto& text = std::get<std::string>(request.prompt);
  return model->tokenizer().encode(
      text, {.bos_eos = bos_eos, .special_text = special_text(request.special_tokens)});
}

Result<std::vector<TokenId>> Llm::Impl::prompt_of(const TextRequest& request) const {
  // Not for the engine to find: a begin token would stand in for the text.
  if (std::visit([](const auto& prompt) { return prompt.empty(); }, request.prompt)) {
    return invalid_argument("the prompt is empty: it needs at least one token");
  }
  return prompt_tokens(request, BosEos::kOfPrompt);
}

Result<std::vector<TokenId>> Llm::tokenize(std::string_view text, SpecialTokens special_tokens) const {
  return no_throw([&] {
    return impl_->model->tokenizer().encode(
        text, {.bos_eos = BosEos::kOfPrompt, .special_text = special_text(special_tokens)});
  });
}

std::string Llm::detokenize(std::span<const TokenId> tokens) const {
  return impl_->model->tokenizer().decode(tokens);
}

struct Detokenizer::Impl {
  StreamDecoder decoder;
};

Detokenizer::Detokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Detokenizer::~Detokenizer() = default;
Detokenizer::Detokenizer(Detokenizer&&) noexcept = default;
Detokenizer& Detokenizer::operator=(Detokenizer&&) noexcept = default;
std::string Detokenizer::push(TokenId token) { return impl_->decoder.push(token); }
std::string Detokenizer::flush() { return impl_->decoder.flush(); }

Detokenizer Llm::detokenizer(TextPosition position) const {
  return Detokenizer(std::make_unique<Detokenizer::Impl>(
      Detokenizer::Impl{StreamDecoder(impl_->model->tokenizer(), {.position = position})}));
}

std::vector<std::string> chat_template_names() { return chat_form_names(); }

Result<StartedConversation> Llm::Impl::start_conversation(const ChatPromptOptions& options,
                                                          const std::optional<std::string>& system) const {
  ConversationStart start{.model_template = model->chat_template(),
                          .system = system,
                          .variables = options.variables,
                          .now = options.now};
  if (options.chat_template.has_value()) {
    start.chosen = find_chat_form(*options.chat_template);
    if (!start.chosen.has_value())
      start.chosen = ChatForm{.source = *options.chat_template, .end_of_turn = {}};
  }
  return cairn::start_conversation(model->tokenizer(), start);
}

Result<ChatPrompt> Llm::Impl::chat_prompt(std::span<const ChatMessage> messages,
                                          const ChatPromptOptions& options) const {
  CAIRN_ASSIGN_OR_RETURN(StartedConversation started, start_conversation(options));
  if (messages.empty()) return invalid_argument("there are no messages: a prompt needs at least one");
  CAIRN_RETURN_IF_ERROR(set_messages(messages, started.conversation));
  ChatPrompt prompt{.tokens = {},
                    .text = {},
                    .stop_strings = started.conversation.stop_strings(),
                    .notes = std::move(started.notes)};
  CAIRN_ASSIGN_OR_RETURN(prompt.tokens, started.conversation.prompt());
  CAIRN_ASSIGN_OR_RETURN(prompt.text, started.conversation.prompt_text());
  return prompt;
}

Status Llm::Impl::set_messages(std::span<const ChatMessage> messages, Conversation& conversation) {
  std::optional<std::string> system = conversation.system();
  if (!messages.empty() && messages.front().role == "system") {
    system = messages.front().content;
    messages = messages.subspan(1);
  }
  return conversation.set_messages(system, {messages.begin(), messages.end()});
}

Result<ChatPrompt> Llm::chat_prompt(std::span<const ChatMessage> messages,
                                    const ChatPromptOptions& options) const {
  return no_throw([&] { return impl_->chat_prompt(messages, options); });
}

Result<std::vector<Beam>> Llm::Impl::search_beams(TextRequest request, const BeamOptions& options) {
  if (is_closing || engine->is_in_call()) {
    return invalid_argument("a beam search steps: it cannot be called from a callback");
  }
  if (request.sample_count != 1)
    return invalid_argument("a beam search has no samples: leave out sample_count");
  if (request.sampling.seed.has_value() || request.sampling.sample_index != 0 ||
      request.likeliest_count != 0) {
    return invalid_argument("a beam search draws nothing: leave out seed, sample_index and likeliest_count");
  }
  CAIRN_ASSIGN_OR_RETURN(std::vector<TokenId> prompt, prompt_of(request));
  const auto asked = std::make_shared<Asked>(Asked{.request = std::move(request), .samples = {}});
  Request of_engine = engine_request(asked, 0, std::move(prompt));
  if (!asked->request.on_finish) of_engine.on_finish = nullptr;
  CAIRN_ASSIGN_OR_RETURN(BeamSearch search,
                         BeamSearch::start(*engine, model->tokenizer(), std::move(of_engine), options));
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const bool goes_on, search.step());
    if (!goes_on) return search.beams();
  }
}

Result<std::vector<Beam>> Llm::search_beams(TextRequest request, const BeamOptions& options) {
  return no_throw([&] { return impl_->search_beams(std::move(request), options); });
}

}  // namespace cairn
