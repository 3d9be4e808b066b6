// TokenConstraint: what may forbid tokens of one request, and learns which were picked. GuideConstraint is one that
// follows a guide (text/grammar/guide.h).
//
// Always true: one object belongs to one request (a fork has its own), and is called by the engine's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cairn/ids.h"
#include "cairn/token_choice.h"
#include "text/grammar/guide.h"

namespace cairn {

// One walk through one reply. Functions throw nothing but std::bad_alloc, which ends the request.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  // Tokens that may come next, where `remaining` tokens (this one included) may still be picked. All are allowed
  // before the call. Where none is left, the request ends with kError.
  virtual void restrict(TokenMask& allowed, int64_t remaining) = 0;
  virtual void take(TokenId token) = 0;  // the token that was picked or forced (also an end token)
};

// A forced token that the guide does not allow ends the constraint: nothing is restricted from there on. Where the guide
// itself loses a token that its mask allowed (GuideWalk::must_not_end), end tokens are forbidden: the reply ends by its
// length, never as if it fitted.
class GuideConstraint final : public TokenConstraint {
 public:
  // `extra_end_tokens`: those of Request::end_tokens. They are allowed where the model's own are, and nowhere else.
  explicit GuideConstraint(std::shared_ptr<const Guide> guide, std::vector<TokenId> extra_end_tokens = {});
  void restrict(TokenMask& allowed, int64_t remaining) override;
  void take(TokenId token) override;
  [[nodiscard]] const GuideWalk& walk() const { return walk_; }

 private:
  GuideWalk walk_;
  std::vector<TokenId> extra_end_tokens_;
};

}  // namespace cairn
