#include "engine/outbox.h"

#include <new>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

// Nothing in it allocates.
RequestResult without_memory() {
  RequestResult bare;
  bare.status = resource_exhausted("out of memory");
  return bare;
}

uint64_t bytes_of(const RequestStats& stats) {
  return sizeof(stats) + stats.kept_rows.size() * sizeof(KvKeptRows) +
         stats.scores_by_layer.size() * sizeof(uint64_t);
}

constexpr const char* kListenersTooSlow =
    "the request was ended because its listeners are too slow: more is waiting for them than is allowed";
constexpr const char* kNoMemory =
    "the request was ended because there is no memory to keep what it reports for its listeners";

RequestResult copy_result(const RequestResult& result, const char* refusal) noexcept {
  try {
    RequestResult copy = result;
    if (refusal == nullptr) return copy;
    copy.reason = FinishReason::kError;
    copy.status = resource_exhausted(refusal);
    copy.end_token.reset();
    return copy;
  } catch (const std::bad_alloc&) {
    return without_memory();
  }
}

}  // namespace

Listeners take_listeners(Request& request) {
  return {.on_begin = std::exchange(request.on_begin, nullptr),
          .on_logits = std::exchange(request.on_logits, nullptr),
          .on_choice = std::exchange(request.on_choice, nullptr),
          .on_token = std::exchange(request.on_token, nullptr),
          .on_text = std::exchange(request.on_text, nullptr),
          .on_finish = std::exchange(request.on_finish, nullptr)};
}

Outbox::Outbox(Listeners listeners, uint64_t capacity_bytes, std::shared_ptr<std::atomic<int64_t>> open_count)
    : listeners_(std::move(listeners)), capacity_bytes_(capacity_bytes), open_count_(std::move(open_count)) {
  ++*open_count_;
}

uint64_t Outbox::Batch::bytes() const {
  return notes.size() * sizeof(Note) + (begin.has_value() ? bytes_of(*begin) : 0) +
         logits.size() * sizeof(float) + probabilities.size() * sizeof(TokenProbability) + text.size();
}

template <typename CopyPayload>
bool Outbox::add(const Note& note, uint64_t payload_bytes, const CopyPayload& copy_payload) noexcept {
  const std::lock_guard lock(mutex_);
  if (refusal_ != nullptr) return false;
  const uint64_t held = waiting_.bytes() + delivering_bytes_;
  if (held + sizeof(Note) + payload_bytes > capacity_bytes_) {
    refusal_ = kListenersTooSlow;
    return false;
  }
  const size_t count = waiting_.notes.size();
  try {
    waiting_.notes.push_back(note);
    copy_payload(waiting_);
  } catch (const std::bad_alloc&) {
    waiting_.notes.resize(count);
    refusal_ = kNoMemory;
  }
  return refusal_ == nullptr;
}

bool Outbox::add_begin(const RequestStats& stats) noexcept {
  return add({.kind = Kind::kBegin}, bytes_of(stats), [&stats](Batch& batch) { batch.begin = stats; });
}

bool Outbox::add_logits(int64_t position, std::span<const float> logits) noexcept {
  const Note note{.value = position, .size = static_cast<uint32_t>(logits.size()), .kind = Kind::kLogits};
  return add(note, logits.size_bytes(), [logits](Batch& batch) {
    batch.logits.insert(batch.logits.end(), logits.begin(), logits.end());
  });
}

bool Outbox::add_choice(const TokenChoice& choice) noexcept {
  const size_t count = 1 + choice.likeliest.size();
  const Note note{.value = choice.token, .size = static_cast<uint32_t>(count), .kind = Kind::kChoice};
  return add(note, count * sizeof(TokenProbability), [&choice, count](Batch& batch) {
    std::vector<TokenProbability>& to = batch.probabilities;
    if (to.capacity() < to.size() + count) to.reserve(2 * (to.size() + count));  // amortised; all or nothing
    to.push_back({choice.token, choice.log_probability});
    to.insert(to.end(), choice.likeliest.begin(), choice.likeliest.end());
  });
}

bool Outbox::add_token(TokenId token) noexcept {
  return add({.value = token, .kind = Kind::kToken}, 0, [](Batch&) {});
}

bool Outbox::add_text(std::string_view text) noexcept {
  const Note note{.size = static_cast<uint32_t>(text.size()), .kind = Kind::kText};
  return add(note, text.size(), [text](Batch& batch) { batch.text += text; });
}

void Outbox::finish(const RequestResult& result) noexcept {
  const std::lock_guard lock(mutex_);
  CHECK(!result_.has_value());
  result_.emplace(copy_result(result, refusal_));
  if (!listeners_.none()) return;
  posted_ = true;  // nobody to call: there is no delivery
  close();
}

bool Outbox::needs_delivery() {
  const std::lock_guard lock(mutex_);
  if (posted_ || (waiting_.notes.empty() && !result_.has_value())) return false;
  posted_ = true;
  return true;
}

void Outbox::was_not_posted() {
  const std::lock_guard lock(mutex_);
  posted_ = false;
}

void Outbox::deliver() {
  for (;;) {
    Batch batch;
    std::optional<RequestResult> result;
    {
      const std::lock_guard lock(mutex_);
      std::swap(batch, waiting_);
      result.swap(result_);
      delivering_bytes_ = batch.bytes();
      if (batch.notes.empty() && !result.has_value()) {
        posted_ = false;
        return;
      }
    }
    call(batch);
    if (!result.has_value()) continue;
    if (listeners_.on_finish) listeners_.on_finish(*result);
    return close();  // `posted_` stays: nothing comes after the end
  }
}

void Outbox::call(const Batch& batch) const {
  const float* logits = batch.logits.data();
  const TokenProbability* probabilities = batch.probabilities.data();
  const char* text = batch.text.data();
  for (const Note& note : batch.notes) {
    switch (note.kind) {
      case Kind::kBegin: listeners_.on_begin(*batch.begin); break;
      case Kind::kLogits:
        listeners_.on_logits(note.value, {logits, note.size});
        logits += note.size;
        break;
      case Kind::kChoice:
        listeners_.on_choice({.token = probabilities->token,
                              .log_probability = probabilities->log_probability,
                              .likeliest = {probabilities + 1, note.size - 1}});
        probabilities += note.size;
        break;
      case Kind::kToken: listeners_.on_token(static_cast<TokenId>(note.value)); break;
      case Kind::kText:
        listeners_.on_text({text, note.size});
        text += note.size;
        break;
    }
  }
}

void Outbox::close() {
  listeners_ = {};
  if (open_count_ != nullptr) --*open_count_;
  open_count_.reset();
}

}  // namespace cairn
