#include "engine/drafts/model_drafter.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/no_throw.h"
#include "engine/drafts/prompt_lookup.h"
#include "engine/open_engine.h"
#include "model/model.h"

namespace cairn {
namespace {

// Where the text says so much, the model is not asked.
constexpr int64_t kEnoughOfTheText = 4;
// Of a prompt, in a step beside the large model's.
constexpr int64_t kChunk = 128;

Status check_vocabulary(const Tokenizer& small, const Tokenizer& large) {
  bool same = small.vocab_size() == large.vocab_size();
  for (TokenId token = 0; same && token < small.vocab_size(); ++token) {
    same = small.token_text(token) == large.token_text(token);
  }
  if (same) return {};
  return invalid_argument(
      "the model that guesses has another vocabulary than the one that is to be faster: take a smaller one "
      "of the same "
      "family");
}

bool is_open(const DraftAsk& ask) { return ask.match_length == kGuessOfModel && !ask.draft.empty(); }

}  // namespace

EngineOptions ModelDrafter::small_options(const Config& small, const EngineOptions& options) {
  return {.context = std::min(options.context, small.context_length),
          .max_sequences = options.max_sequences,
          .prefill_chunk = std::min(options.prefill_chunk, kChunk)};
}

Result<std::shared_ptr<ModelDrafter>> ModelDrafter::create(std::shared_ptr<const Model> small,
                                                           ThreadPool& threads, const Tokenizer& vocabulary,
                                                           const EngineOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_vocabulary(small->tokenizer(), vocabulary));
  const EngineOptions own = small_options(small->config(), options);
  auto drafter = std::shared_ptr<ModelDrafter>(new ModelDrafter(vocabulary.vocab_size()));
  CAIRN_ASSIGN_OR_RETURN(drafter->engine_, Engine::create(std::move(small), threads, own));
  return drafter;
}

void ModelDrafter::look(std::span<DraftAsk> asks) {
  for (DraftAsk& ask : asks) {
    if (ask.draft.empty()) continue;
    const int64_t of_text = look_up(ask.text, ask.draft);
    ask.match_length = of_text >= kEnoughOfTheText ? of_text : kGuessOfModel;
  }
}

ModelDrafter::Text* ModelDrafter::text_of(RequestId id) {
  const auto found = texts_.find(id.value);
  return found == texts_.end() ? nullptr : &found->second;
}

// One token of each draft after the other: the texts' rows run together.
void ModelDrafter::draft(std::span<DraftAsk> asks) {
  for (DraftAsk& ask : asks) {
    if (!is_open(ask)) continue;
    const Status status = no_throw([&] { return bring_up_to_date(ask); });
    if (status.ok()) continue;
    forget(ask.id);  // no room for it, or its context is full
    ask.draft = {};
  }
  engine_->step();
  size_t longest = 0;
  for (DraftAsk& ask : asks) {
    if (!is_open(ask)) continue;
    const Text* const text = text_of(ask.id);
    if (text == nullptr || !text->next.has_value()) ask.draft = {};
    longest = std::max(longest, ask.draft.size());
  }
  for (size_t place = 0; place < longest; ++place) extend_drafts(asks, place);
}

// The token at `place` of each draft that is so long; its row runs where another one follows.
void ModelDrafter::extend_drafts(std::span<DraftAsk> asks, size_t place) {
  bool runs = false;
  for (DraftAsk& ask : asks) {
    if (!is_open(ask) || place >= ask.draft.size()) continue;
    Text* const text = text_of(ask.id);
    if (text == nullptr || !text->next.has_value()) {
      ask.draft = ask.draft.first(place);
      continue;
    }
    ask.draft[place] = *text->next;
    if (place + 1 == ask.draft.size()) continue;
    const TokenId token = *std::exchange(text->next, std::nullopt);
    const Status status = no_throw([&] {
      text->tokens.push_back(token);
      return engine_->extend(text->id, std::span(&token, 1));
    });
    if (!status.ok()) forget(ask.id);
    runs = true;
  }
  if (runs) engine_->step();
}

Status ModelDrafter::bring_up_to_date(const DraftAsk& ask) {
  Text* const text = text_of(ask.id);
  if (text == nullptr) return start(ask);
  return text->next.has_value() ? go_on(*text, ask.text) : Status();
}

Status ModelDrafter::start(const DraftAsk& ask) {
  if (std::ssize(ask.text) >= engine_->context()) return resource_exhausted("the context is full");
  Text& text = texts_[ask.id.value];
  text.tokens.assign(ask.text.begin(), ask.text.end());
  Request request{.prompt = text.tokens, .picks = Picks::kByCaller, .salt = std::string(ask.salt)};
  request.on_logits = [&text, count = static_cast<size_t>(vocab_size_)](int64_t,
                                                                        std::span<const float> logits) {
    const auto known = logits.first(std::min(logits.size(), count));
    text.next = static_cast<TokenId>(std::ranges::max_element(known) - known.begin());
  };
  request.on_finish = [&text](const RequestResult&) { text.next.reset(); };
  CAIRN_ASSIGN_OR_RETURN(text.id, engine_->submit(std::move(request)));
  return {};
}

Status ModelDrafter::go_on(Text& text, std::span<const TokenId> now) {
  const auto agreed = std::ranges::mismatch(text.tokens, now).in2 - now.begin();
  const bool has_all = agreed == std::ssize(now);
  if (has_all && agreed == std::ssize(text.tokens)) return {};
  text.next.reset();
  const std::span<const TokenId> more = now.subspan(static_cast<size_t>(agreed));
  const Status status = has_all                             ? engine_->roll_back(text.id, agreed)
                        : agreed == std::ssize(text.tokens) ? engine_->extend(text.id, more)
                                                            : engine_->replace(text.id, agreed, more);
  text.tokens.assign(now.begin(), now.end());
  return status;
}

void ModelDrafter::forget(RequestId id) {
  const auto found = texts_.find(id.value);
  if (found == texts_.end()) return;
  engine_->cancel(found->second.id);
  texts_.erase(found);
}

}  // namespace cairn
