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

// Both may have a few entries more, which no text has: vocabularies are filled up to round sizes.
constexpr int64_t kMostFiller = 256;

bool is_open(const DraftAsk& ask) { return ask.match_length == kGuessOfModel && !ask.draft.empty(); }

}  // namespace

Result<int64_t> ModelDrafter::common_vocabulary(const Tokenizer& small, const Tokenizer& large) {
  const int64_t count = std::min(small.vocab_size(), large.vocab_size());
  bool same = std::max(small.vocab_size(), large.vocab_size()) - count <= kMostFiller;
  for (TokenId token = 0; same && token < count; ++token) {
    same = small.token_text(token) == large.token_text(token);
  }
  if (same) return count;
  return invalid_argument(
      "the draft model has another vocabulary than the model that it guesses for: take a smaller one of the "
      "same family");
}

EngineOptions ModelDrafter::small_options(const Config& small, const EngineOptions& options) {
  return {.context = std::min(options.context, small.context_length),
          .max_sequences = options.max_sequences,
          .prefill_chunk = std::min(options.prefill_chunk, kChunk)};
}

Result<std::shared_ptr<ModelDrafter>> ModelDrafter::create(std::shared_ptr<const Model> small,
                                                           ThreadPool& threads, const Tokenizer& vocabulary,
                                                           const EngineOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const int64_t vocab_size, common_vocabulary(small->tokenizer(), vocabulary));
  const EngineOptions own = small_options(small->config(), options);
  auto drafter = std::shared_ptr<ModelDrafter>(new ModelDrafter(vocab_size, options.clock));
  CAIRN_ASSIGN_OR_RETURN(drafter->engine_, Engine::create(std::move(small), threads, own));
  return drafter;
}

void ModelDrafter::look(std::span<DraftAsk> asks) {
  for (DraftAsk& ask : asks) {
    if (ask.draft.empty()) continue;
    const int64_t of_text = look_up(ask.text, ask.draft);
    const Text* const text = text_of(ask.id);
    const bool may_ask = (text == nullptr || !text->has_ended) && std::ssize(ask.text) < engine_->context();
    ask.match_length = of_text >= kEnoughOfTheText || !may_ask ? of_text : kGuessOfModel;
  }
}

ModelDrafter::Text* ModelDrafter::text_of(RequestId id) {
  const auto found = texts_.find(id.value);
  return found == texts_.end() ? nullptr : &found->second;
}

// One token of each draft after the other: the texts' rows run together.
std::optional<uint64_t> ModelDrafter::draft(std::span<DraftAsk> asks) {
  bring_up_to_date(asks);
  engine_->step();
  size_t longest = 0;
  for (DraftAsk& ask : asks) {
    if (!is_open(ask)) continue;
    const Text* const text = text_of(ask.id);
    const bool is_ready = text != nullptr && text->next.has_value() && text->tokens.size() == ask.text.size();
    if (!is_ready) ask.draft = {};
    longest = std::max(longest, ask.draft.size());
  }
  // Only steps of a row each: what brought the texts up to date is no price of a token.
  const uint64_t begin_ns = clock_->now_ns();
  uint64_t step_count = 0;
  for (size_t place = 0; place < longest; ++place) step_count += extend_drafts(asks, place) ? 1 : 0;
  if (step_count == 0) return {};
  return (clock_->now_ns() - begin_ns) / step_count;
}

void ModelDrafter::bring_up_to_date(std::span<DraftAsk> asks) {
  for (const DraftAsk& ask : asks) {
    if (!is_open(ask)) continue;
    const Status status = no_throw([&] { return bring_up_to_date(ask); });
    if (!status.ok()) end(ask.id);  // no room for it, or its context is full
  }
}

// The token at `place` of each draft that is so long; its row runs where another one follows. Whether any did.
bool ModelDrafter::extend_drafts(std::span<DraftAsk> asks, size_t place) {
  bool runs = false;
  for (DraftAsk& ask : asks) {
    if (!is_open(ask) || place >= ask.draft.size()) continue;
    Text& text = *text_of(ask.id);
    if (!text.next.has_value()) {
      ask.draft = ask.draft.first(place);
      continue;
    }
    ask.draft[place] = *text.next;
    if (place + 1 == ask.draft.size()) continue;
    const TokenId token = *std::exchange(text.next, std::nullopt);
    const Status status = no_throw([&] {
      text.tokens.push_back(token);
      return engine_->extend(text.id, std::span(&token, 1));
    });
    if (!status.ok()) end(ask.id);
    runs = true;
  }
  if (runs) engine_->step();
  return runs;
}

// No more guesses for this text.
void ModelDrafter::end(RequestId id) {
  Text* const text = text_of(id);
  if (text == nullptr) return;  // there was no memory for it
  text->next.reset();
  text->has_ended = true;
  engine_->cancel(text->id);
}

Status ModelDrafter::bring_up_to_date(const DraftAsk& ask) {
  Text* const text = text_of(ask.id);
  if (text == nullptr) return start(ask);
  return text->next.has_value() ? go_on(*text, ask.text) : Status();
}

Status ModelDrafter::start(const DraftAsk& ask) {
  Text& text = texts_[ask.id.value];
  text.tokens.assign(ask.text.begin(), ask.text.end());
  Request request{.prompt = text.tokens, .picks = Picks::kByCaller, .salt = std::string(ask.salt)};
  request.on_logits = [&text, count = static_cast<size_t>(vocab_size_)](int64_t,
                                                                        std::span<const float> logits) {
    const auto known = logits.first(std::min(logits.size(), count));
    text.next = static_cast<TokenId>(std::ranges::max_element(known) - known.begin());
  };
  request.on_finish = [&text](const RequestResult&) {
    text.next.reset();
    text.has_ended = true;
  };
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
