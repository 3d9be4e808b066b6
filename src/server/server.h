// Server: a model for many, over HTTP. It owns the engine's thread and all that stands between it and a client; the words of
// each interface are in server/openai/ and server/ollama/, the sockets in server/http/.
//
//   a request's way: HttpServer -> at_the_door (guard, path, key) -> handle -> a worker reads the body (text_calls.h)
//   -> Access gives it a place -> Generation submits its texts -> the engine's thread -> deliveries -> the client
//
// Always true: without the right key nothing but the page, /health, /ready and /api/version answers; what a tenant sees depends on its own
// requests alone. Any thread may call what is public; stop() once, and not from a handler.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "server/browser_guard.h"
#include "server/http/http_server.h"
#include "server/service.h"

namespace cairn {

struct ServerOptions {
  HttpServerOptions http;
  BrowserGuardOptions guard;
  TenantSharing sharing = TenantSharing::kWithinTenant;
  int64_t texts_max = 1040;  // that run or wait; more are answered with 429
  MetricsOptions metrics;
  EngineThreadOptions engine_thread;
};

// What it serves, and what it is given to do so.
struct ServerParts {
  std::unique_ptr<Engine> engine;
  Tokenizer tokenizer;
  ChatPrompter prompter;
  ServedFacts facts;
  std::shared_ptr<const KeyTable> keys;  // null: nobody needs a key
  std::unique_ptr<Log> log;
  const Clock& clock;  // the engine's; outlives the server
};

class Server final : public HttpHandler {
 public:
  // Listening when it returns. Errors: those of HttpServer::start; kResourceExhausted.
  static Result<std::unique_ptr<Server>> start(ServerParts parts, const ServerOptions& options);
  ~Server() override;

  [[nodiscard]] std::string url() const { return http_->url(); }
  [[nodiscard]] Log& log() { return *log_; }
  [[nodiscard]] EngineThread& engine() { return *engine_; }
  // Not ok: the engine has failed, and no text will ever be answered again.
  [[nodiscard]] Status engine_status();

  // Another content of the keys file. Who left it cannot begin anything more.
  Tenants::Change reload_keys(std::shared_ptr<const KeyTable> keys);
  Status reload_certificate() { return http_->reload_certificate(); }

  // Takes no more requests, lets texts end by themselves for so long, then ends them. A second call returns at once.
  void stop(std::chrono::milliseconds grace);
  // For another thread while stop() waits: its time is over now.
  void hurry();

  std::optional<HttpReply> at_the_door(const HttpHead& head) override;
  void handle(std::shared_ptr<HttpExchange> exchange) override;
  void note_refusal(std::string_view peer, int status, std::string_view why) override;
  void log_refusal(const HttpHead& head, int status);

 private:
  enum class Entry : uint8_t { kOpen, kNeedsKey, kNeedsMetricsKey };
  struct Asked {
    std::shared_ptr<HttpExchange> exchange;
    TenantRef tenant;      // null: an open path
    std::string id;        // of the request
    std::string argument;  // what stands behind a route's path
  };
  struct Route {
    std::string_view method;
    std::string_view path;  // one that ends with '/' takes an argument behind it
    Entry entry;
    void (Server::*answer)(const Asked& asked);
    std::optional<ApiFace> face = {};  // of texts: their ids are written in its way
  };

  Server(ServerParts parts, const ServerOptions& options);
  Status begin(const ServerOptions& options);
  [[nodiscard]] static std::span<const Route> routes();
  [[nodiscard]] static const Route* find_route(const HttpHead& head);
  [[nodiscard]] static HttpReply no_route(const HttpHead& head);
  [[nodiscard]] std::optional<ApiError> check_entry(const Route& route, const HttpHead& head,
                                                    TenantRef& tenant) const;
  void share_engine();
  void warn_of_small_quotas(const KeyTable* keys);
  template <typename Function>
  void work(const Asked& asked, Function function);

  // server_text.cc
  void answer_chat(const Asked& asked) { answer_text(asked, ApiFace::kChat); }
  void answer_completions(const Asked& asked) { answer_text(asked, ApiFace::kCompletions); }
  void answer_responses(const Asked& asked) { answer_text(asked, ApiFace::kResponses); }
  void answer_ollama_chat(const Asked& asked) { answer_text(asked, ApiFace::kOllamaChat); }
  void answer_ollama_generate(const Asked& asked) { answer_text(asked, ApiFace::kOllamaGenerate); }
  void answer_text(const Asked& asked, ApiFace face);
  void answer_tokenize(const Asked& asked);
  void answer_detokenize(const Asked& asked);
  void answer_show(const Asked& asked);
  [[nodiscard]] HttpReply show_reply(const HttpRequest& request) const;

  // server_facts.cc
  void answer_health(const Asked& asked);
  void answer_ready(const Asked& asked);
  void answer_metrics(const Asked& asked);
  void answer_models(const Asked& asked);
  void answer_model(const Asked& asked);
  void answer_explanation(const Asked& asked);
  void answer_tags(const Asked& asked);
  void answer_ps(const Asked& asked);
  void answer_version(const Asked& asked);
  [[nodiscard]] MetricsSnapshot snapshot_of(const EngineSnapshot& engine) const;
  [[nodiscard]] std::vector<MetricsSnapshot::OfTenant> tenants_of(const EngineSnapshot& engine) const;
  [[nodiscard]] ServedModel served_model() const;

  // What comes later uses what comes before.
  std::unique_ptr<Log> log_;
  const Tokenizer tokenizer_;
  const ChatPrompter prompter_;
  const ServedFacts facts_;
  const Clock& clock_;
  const BrowserGuard guard_;
  Metrics metrics_;
  Tenants tenants_;
  RateLimiter rates_;
  Access access_;
  CallRecords records_;
  std::unique_ptr<Constraints> constraints_;
  std::unique_ptr<Engine> unstarted_engine_;  // until begin()
  std::unique_ptr<WorkerPool> deliveries_;
  std::unique_ptr<EngineThread> engine_;
  std::unique_ptr<WorkerPool> workers_;
  std::optional<Service> service_;
  std::unique_ptr<HttpServer> http_;
  std::atomic<int64_t> stream_count_ = 0;
  std::atomic<bool> is_complete_ = false;  // requests may come before begin() has returned
  std::atomic<bool> is_stopping_ = false;
};

}  // namespace cairn
