// Outbox: what a request has reported and has not been delivered to its listeners yet. The loop of an EngineThread puts
// notes in; an executor's thread takes them out and calls the listeners.
//
// Always true: the listeners of a request are called in the order of the notes, by one thread at a time,
// on_finish last and exactly once. needs_delivery() returns true once, then not before a deliver() has found
// nothing left to do: an executor has at most one delivery of each request, whatever the request reports.
// Memory: the notes whose listeners have not returned take at most `capacity_bytes`. A note beyond that is
// refused, and so is every later one; the request then ends with kError and kResourceExhausted. The same where there is
// no memory for a note. The result has a place of its own, so the end can always be reported.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"

namespace cairn {

// The callbacks of a request; all may be empty.
struct Listeners {
  std::function<void(const RequestStats& stats)> on_begin;
  std::function<void(int64_t position, std::span<const float> logits)> on_logits;
  std::function<void(const TokenChoice& choice)> on_choice;
  std::function<void(TokenId token)> on_token;
  std::function<void(std::string_view text)> on_text;
  std::function<void(const RequestResult& result)> on_finish;

  [[nodiscard]] bool none() const {
    return !on_begin && !on_logits && !on_choice && !on_token && !on_text && !on_finish;
  }
};
// Leaves the request without callbacks.
Listeners take_listeners(Request& request);

class Outbox {
 public:
  // `open_count` is one higher from here on until the request has ended and its last listener has returned
  // (or the outbox is destroyed).
  Outbox(Listeners listeners, uint64_t capacity_bytes, std::shared_ptr<std::atomic<int64_t>> open_count);
  ~Outbox() { close(); }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // The loop's side: one thread. They copy; false: refused.
  // Once, before all others.
  bool add_begin(const RequestStats& stats) noexcept;
  bool add_logits(int64_t position, std::span<const float> logits) noexcept;
  bool add_choice(const TokenChoice& choice) noexcept;
  bool add_token(TokenId token) noexcept;
  bool add_text(std::string_view text) noexcept;
  // Once; nothing is added after it. Without listeners this is all.
  void finish(const RequestResult& result) noexcept;
  // Whether the executor must get this outbox now; if so, the caller hands it over.
  [[nodiscard]] bool needs_delivery();
  // The executor did not take it: needs_delivery() returns true again.
  void was_not_posted();
  // Which callbacks there are; not after finish().
  [[nodiscard]] const Listeners& listeners() const { return listeners_; }

  // The executor's side: calls the listeners for all that is there. After on_finish the listeners, and what
  // they have captured, are destroyed here.
  void deliver();

 private:
  enum class Kind : uint8_t { kBegin, kLogits, kChoice, kToken, kText };
  struct Note {
    int64_t value = 0;  // a position, a token
    uint32_t size = 0;  // of the logits, the choice's probabilities or the text
    Kind kind = Kind::kToken;
  };
  // Flat, so that a note costs no allocation of its own.
  struct Batch {
    std::vector<Note> notes;
    std::optional<RequestStats> begin;
    std::vector<float> logits;  // of all notes, in their order
    std::vector<TokenProbability>
        probabilities;  // likewise: of each choice the token's own, then the likeliest
    std::string text;   // likewise
    [[nodiscard]] uint64_t bytes() const;
  };

  template <typename CopyPayload>
  bool add(const Note& note, uint64_t payload_bytes, const CopyPayload& copy_payload) noexcept;
  void call(const Batch& batch) const;
  void close();

  Listeners
      listeners_;  // called and cleared by the thread that delivers, or by finish() where there are none
  const uint64_t capacity_bytes_;
  std::shared_ptr<std::atomic<int64_t>> open_count_;  // null: closed

  std::mutex mutex_;  // guards all below
  Batch waiting_;
  std::optional<RequestResult> result_;
  uint64_t delivering_bytes_ = 0;  // of the batch whose listeners are being called
  const char* refusal_ = nullptr;  // why a note was refused, and so are all that come after it
  bool posted_ = false;            // the executor has it
};

}  // namespace cairn
