// Llm: a language model that serves requests; the short way into the library (docs/embedding.md).
//
//   auto llm = cairn::Llm::open("model.gguf");
//   llm->submit({.prompt = "Once upon a time", .max_tokens = 50, .on_text = print});
//   llm->run();
//
// Always true: every request that submit or fork took ends exactly once (on_finish). Requests are served in
// the order of arrival; which others run beside a request, what of its beginning was found in the cache, and
// how the work was cut into steps change no bit of its logits.
//
// Threads: one thread at a time calls an Llm; it computes on that thread and on its own. Callbacks are called
// from inside step(), run() and cancel(), on the calling thread, when all rows of the step have been committed. They
// may call everything but its destructor; step() and run() do nothing there. They must not throw. Different Llms may
// be used by different threads at once. The library prints nothing and does not exit: what the outside world can cause
// is a Status.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/beam.h"
#include "cairn/cache_statistics.h"
#include "cairn/chat_message.h"
#include "cairn/detokenizer.h"
#include "cairn/finish_reason.h"
#include "cairn/ids.h"
#include "cairn/memory_plan.h"
#include "cairn/model_facts.h"
#include "cairn/prefix_sharing.h"
#include "cairn/sampling.h"
#include "cairn/speculation.h"
#include "cairn/status.h"
#include "cairn/token_choice.h"

namespace cairn {

struct LlmOptions {
  // Positions of a sequence at most; absent: the model's, up to 8192. RoPE scalings that depend on the length of a text
  // (longrope, dynamic NTK) are settled by it, once.
  std::optional<int64_t> context = {};
  // Allows a context longer than the model was made for. It computes positions that the model has never seen: expect
  // worse text, the worse the farther.
  bool extend_context = false;
  // A text has no end: it may be longer than any context, in memory that stays the same. The KV plan must give every layer
  // a window, as "sinks=4,window=1020" does; `context` must be absent. Refused for models with a table of positions.
  bool endless = false;
  int64_t max_sequences = 4;             // how many run at once; more may be submitted, they wait
  int64_t prefill_chunk = 512;           // prompt tokens in a step at most
  std::optional<int> thread_count = {};  // the caller's thread included; absent: all usable physical cores
  std::optional<std::string> isa = {};   // "scalar", "neon", "avx2", "avx512", "amx"; absent: the best here
  // How keys and values are stored, layer by layer: "f16", "int8", "k=int4:channel,v=int4:token",
  // "layers 0-3: f16; rest: int8" ...; and which positions stay: "int8,window=4096"; or the same as JSON (docs/kv.md has
  // the grammar).
  std::string kv_plan = "f16";
  std::optional<uint64_t> kv_memory_bytes = {};  // for blocks; absent: for max_sequences whole contexts
  PrefixSharing prefix_sharing = PrefixSharing::kOn;
  Speculation speculation = Speculation::kOff;  // whether tokens are guessed ahead; they stay the same
  // A smaller model with the same vocabulary that guesses, too; memory_plan() does not count it. Absent: none.
  std::optional<std::string> draft_model = {};
  // How byte-level BPE splits a text into words, whatever the file says: a value of GGUF's tokenizer.ggml.pre.
  std::optional<std::string> pre = {};
  uint64_t seed = 0;  // requests without a seed get one from this and their number
  // Called with bytes done and bytes in all while weights are loaded.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_load_progress = {};
};

// What "<|im_end|>" in a text is: plain characters (a user's words must not end a turn), or the token.
enum class SpecialTokens : uint8_t { kAsText, kParsed };

struct TextResult {
  FinishReason reason = FinishReason::kError;
  Status status = {};         // not ok exactly where reason is kError
  int64_t prompt_tokens = 0;  // of a fork: with all that came from its parent
  int64_t reused_tokens = 0;  // of the prompt: found in the cache, not computed
  int64_t generated_tokens = 0;
};

struct TextRequest {
  std::variant<std::string, std::vector<TokenId>> prompt = {};  // UTF-8, or tokens as they are
  SpecialTokens special_tokens = SpecialTokens::kAsText;        // of a prompt that is text
  SamplingParams sampling = {};
  std::optional<int64_t> max_tokens = {};  // absent: until the context is full; 0: only the prompt is run
  std::vector<std::string> stop_strings =
      {};                          // none may be empty; the text before the first is still reported
  bool ignore_end_tokens = false;  // they become tokens like any other
  std::string salt = {};           // a tenant's secret: rows are shared only under the same salt

  // Several continuations of one prompt, which is computed once: they share every full block of it, and each copies
  // only the rows of the last, unfinished one. Sample i draws with sampling.sample_index + i.
  int64_t sample_count = 1;

  int64_t likeliest_count = 0;  // of on_choice: how many tokens it is told of, at most vocab_size()

  // Each may be empty. `sample` counts from 0. For each token in this order: on_logits, on_mask, on_choice, on_token,
  // on_text. After a cancel() only on_finish is called, behind the text that was withheld.
  // The row that the token is chosen from: vocab_size() raw logits, before all below. Valid during the call.
  std::function<void(int64_t sample, std::span<const float> logits)> on_logits = {};
  // Which tokens may be chosen (a grammar): all are allowed; forbid some. It comes before bias and penalties. Where no
  // token remains, the sample ends with kError, and kInvalidArgument says so.
  std::function<void(int64_t sample, TokenMask& allowed)> on_mask = {};
  // The token that was chosen, also an end token, with its probability and those of the likeliest.
  std::function<void(int64_t sample, const TokenChoice& choice)> on_choice = {};
  // Text as it becomes certain: whole UTF-8 characters, never a part of a stop string that came true.
  std::function<void(int64_t sample, std::string_view text)> on_text = {};
  std::function<void(int64_t sample, TokenId token)> on_token = {};  // not the end token that ends the sample
  std::function<void(int64_t sample, const TextResult& result)> on_finish = {};  // once for each sample, last
};

// Messages as a prompt, up to where the assistant speaks next.
struct ChatPrompt {
  std::vector<TokenId>
      tokens;        // for TextRequest::prompt; they begin with one begin token where the model wants it
  std::string text;  // what they say, without that
  std::vector<std::string> stop_strings;  // where a reply must end besides the model's end tokens
  std::vector<std::string> notes;         // as ChatSession::notes()
};

// What ChatPromptOptions::chat_template may name: "plain", "chatml" ...
[[nodiscard]] std::vector<std::string> chat_template_names();

class Llm {
 public:
  // `path`: a GGUF file, the first file of a split one, or a Hugging Face folder. Errors: kNotFound (no such
  // file), kInvalidData (it is damaged), kUnsupported (a family, a weight type or an instruction set that is
  // not there), kInvalidArgument (an option), kResourceExhausted (no memory for it; the message has what would fit).
  static Result<Llm> open(const std::string& path, const LlmOptions& options = {});
  // What open would load, and the memory that it would take, without reading a weight: also where this machine has not
  // enough. Errors: as open, but for memory and the instruction set.
  static Result<ModelDescription> describe(const std::string& path, const LlmOptions& options = {});
  // Requests that are live end without on_finish.
  ~Llm();
  // One that was moved from may only be destroyed or assigned to.
  Llm(Llm&&) noexcept;
  Llm& operator=(Llm&&) noexcept;

  // What was assumed where the model's file says nothing, what of it was ignored, and what may surprise its user: a
  // sentence each, worth showing once. Options are named as in LlmOptions, in backquotes.
  [[nodiscard]] std::span<const std::string> notes() const;

  // With the token before the text that the model expects of a prompt. kInvalidArgument: not UTF-8.
  [[nodiscard]] Result<std::vector<TokenId>> tokenize(
      std::string_view text, SpecialTokens special_tokens = SpecialTokens::kAsText) const;
  // Valid UTF-8; special tokens and ids outside the vocabulary add nothing.
  [[nodiscard]] std::string detokenize(std::span<const TokenId> tokens) const;

  [[nodiscard]] Detokenizer detokenizer(TextPosition position = TextPosition::kStart) const;
  // A conversation as the chat template writes it; ChatSession keeps one. No word of a message becomes a control token.
  // The first message may be the "system"'s. kInvalidArgument: there are no messages, the template refuses them or does
  // not run, or a text is not UTF-8.
  [[nodiscard]] Result<ChatPrompt> chat_prompt(std::span<const ChatMessage> messages,
                                               const ChatPromptOptions& options = {}) const;

  // Takes the request, or returns what is wrong with it (kInvalidArgument: an empty prompt, a parameter;
  // kResourceExhausted: no memory). Nothing is computed before step().
  Result<RequestId> submit(TextRequest request);
  // A request that goes on from all that the live request `parent` has so far, its prompt and what it
  // generated, and shares its rows but those of the unfinished block. `request.prompt` comes behind them,
  // without begin or end tokens, and may be empty; the salt is the parent's. Errors: as submit; kNotFound: no
  // such live request; kInvalidArgument: either has several samples.
  Result<RequestId> fork(RequestId parent, TextRequest request);
  // All samples of the request end (from a callback: in this step). False where it has ended already.
  bool cancel(RequestId id);

  // Runs until the `width` most likely continuations of the request's prompt are found; requests that are live are served
  // beside it. At most `width` beams, the best first. Of `request` count the prompt, max_tokens, stop_strings,
  // ignore_end_tokens, salt, logit bias and penalties; all else must be left as it is, callbacks too.
  // kInvalidArgument: one of these, a width beyond max_sequences, or it is called from a callback; else as submit.
  Result<std::vector<Beam>> search_beams(TextRequest request, const BeamOptions& options = {});

  // Computes one batch over all live requests, and reports what came of it. False where it did nothing: idle(), or
  // called from a callback.
  bool step();
  // Steps until idle(); from a callback it does nothing.
  void run();
  [[nodiscard]] bool idle() const;

  [[nodiscard]] const ModelFacts& facts() const;
  [[nodiscard]] const MemoryPlan& memory_plan() const;  // as planned when it was opened
  [[nodiscard]] int64_t context() const;                // positions of a sequence at most
  [[nodiscard]] int64_t vocab_size() const;             // elements of a row of logits
  [[nodiscard]] CacheStatistics cache_statistics() const;

 private:
  friend class ChatSession;
  struct Impl;
  explicit Llm(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
