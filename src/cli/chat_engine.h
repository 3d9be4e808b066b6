// ChatEngine: the engine of a chat, and the session in which its rows are. It can be exchanged for one whose text has no
// end, when the context is full.
#pragma once

#include <memory>
#include <optional>

#include "cairn/status.h"
#include "cli/open_model.h"
#include "engine/engine.h"

namespace cairn {

class ChatEngine {
 public:
  // `opened` must outlive it. Errors: those of Engine::create.
  static Result<ChatEngine> create(const OpenModel& opened);

  [[nodiscard]] Engine& engine() const { return *engine_; }
  [[nodiscard]] SessionId session() const { return session_; }
  [[nodiscard]] bool is_endless() const;
  // What a token would see after go_endless(); nothing where that would be refused.
  [[nodiscard]] std::optional<Visibility> endless_view() const;

  // From here on, queries see a few first positions and a window of the last ones: the default of --endless, within the
  // distances that the model was opened for. Codecs stay; the rows of before are gone, so the next prompt is run again.
  // An error changes nothing: kInvalidArgument where the text has no end already, or this model or cache needs one; those
  // of Engine::create.
  Status go_endless();

 private:
  explicit ChatEngine(const OpenModel& opened) : opened_(&opened), options_(opened.engine_options) {}
  Status open(const EngineOptions& options);
  [[nodiscard]] Result<EngineOptions> endless_options() const;

  const OpenModel* opened_;
  EngineOptions options_;  // of the engine that is there
  std::unique_ptr<Engine> engine_;
  SessionId session_;
};

}  // namespace cairn
