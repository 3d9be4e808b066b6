// Constraints: what a call asks its replies to look like (response_format, tools, tool_choice), as a guide for the sampler in
// the form of the model's family.
//
// Compiled guides are kept, the latest used ones, for each tenant apart: how long a first use takes must tell nobody that
// another tenant has used the same schema. Any thread.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "engine/tenant.h"
#include "server/openai/call.h"
#include "server/openai/error.h"
#include "text/grammar/guide.h"
#include "text/reply/reply_format.h"
#include "text/tokenizer.h"

namespace cairn {

// How a model writes what a guide must know of.
struct ConstraintForms {
  std::optional<ToolForm> tools;  // absent: its template has no tools
  std::optional<ReasoningForm> reasoning;
};

// `format`: what the model's replies look like. A form that no guide can have leaves `tools` absent.
[[nodiscard]] ConstraintForms forms_of(const ReplyFormat& format, const Tokenizer& tokenizer);

class Constraints {
 public:
  static constexpr size_t kMostGuides = 64;
  static constexpr uint64_t kMostBytes = uint64_t{256} << 20;  // of all guides that are kept

  // `trie` null: nothing can be constrained, and `why_none` says why.
  Constraints(std::shared_ptr<const TokenTrie> trie, Status why_none, ConstraintForms forms)
      : trie_(std::move(trie)), why_none_(std::move(why_none)), forms_(std::move(forms)) {}

  // Null: the call's replies are free. `starts_inside_reasoning`: the prompt has opened the reasoning already.
  [[nodiscard]] ApiResult<std::shared_ptr<const Guide>> guide_for(const TextCall& call, TenantId tenant,
                                                                  ReasoningForm::Start start);

 private:
  using Key = std::pair<TenantId, std::string>;  // a digest of all that decides about a guide
  struct Kept {
    std::shared_ptr<const Guide> guide;
    std::list<Key>::iterator used_at;
  };

  [[nodiscard]] std::optional<GuideSpec> spec_for(const TextCall& call, ReasoningForm::Start start) const;
  [[nodiscard]] std::shared_ptr<const Guide> find(const Key& key);
  void keep(const Key& key, std::shared_ptr<const Guide> guide);
  [[nodiscard]] bool is_over_limits() const;
  void forget_oldest();

  const std::shared_ptr<const TokenTrie> trie_;
  const Status why_none_;
  const ConstraintForms forms_;
  std::mutex mutex_;
  std::map<Key, Kept> guides_;
  std::list<Key> by_use_;  // the one that was used last stands last
};

}  // namespace cairn
