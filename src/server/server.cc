#include "server/server.h"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "server/ids.h"
#include "server/page.h"
#include "server/web_reply.h"

namespace cairn {
namespace {

constexpr int kDeliveryThreads = 2;  // they write JSON and wake sockets
constexpr int kWorkerThreads = 2;    // they read bodies, tokenize, compile schemas

// Adds headers to whatever is replied.
class ExchangeWithHeaders final : public HttpExchange {
 public:
  ExchangeWithHeaders(std::shared_ptr<HttpExchange> inner, std::vector<HttpHeader> headers)
      : inner_(std::move(inner)), headers_(std::move(headers)) {}

  [[nodiscard]] const HttpRequest& request() const override { return inner_->request(); }
  void reply(HttpReply reply) override { inner_->reply(with_headers(std::move(reply))); }
  void begin_stream(HttpReply head) override { inner_->begin_stream(with_headers(std::move(head))); }
  bool send(std::string bytes) override { return inner_->send(std::move(bytes)); }
  void end_stream() override { inner_->end_stream(); }
  void when_gone(std::function<void()> call) override { inner_->when_gone(std::move(call)); }
  [[nodiscard]] bool is_gone() const override { return inner_->is_gone(); }
  [[nodiscard]] size_t unsent_bytes() const override { return inner_->unsent_bytes(); }

 private:
  HttpReply with_headers(HttpReply reply) const {
    reply.headers.insert(reply.headers.end(), headers_.begin(), headers_.end());
    return reply;
  }

  std::shared_ptr<HttpExchange> inner_;
  std::vector<HttpHeader> headers_;
};

size_t longest_token(const Tokenizer& tokenizer) {
  size_t longest = 1;
  for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
    longest = std::max(longest, tokenizer.token_text(token).size());
  }
  return longest;
}

bool is_read(std::string_view method) { return method == "GET" || method == "HEAD"; }

// "/v1/models/" takes an argument, "/v1/models" none.
bool takes(std::string_view route, std::string_view path) {
  if (!route.ends_with('/') || route == "/") return route == path;
  return path.starts_with(route) && path.size() > route.size();
}

}  // namespace

std::span<const Server::Route> Server::routes() {
  static constexpr std::array kRoutes{
      Route{"POST", "/v1/chat/completions", Entry::kNeedsKey, &Server::answer_chat, ApiFace::kChat},
      Route{"POST", "/v1/completions", Entry::kNeedsKey, &Server::answer_completions, ApiFace::kCompletions},
      Route{"POST", "/v1/responses", Entry::kNeedsKey, &Server::answer_responses, ApiFace::kResponses},
      Route{"GET", "/v1/models", Entry::kNeedsKey, &Server::answer_models},
      Route{"GET", "/v1/models/", Entry::kNeedsKey, &Server::answer_model},
      Route{"POST", "/tokenize", Entry::kNeedsKey, &Server::answer_tokenize},
      Route{"POST", "/detokenize", Entry::kNeedsKey, &Server::answer_detokenize},
      Route{"GET", "/health", Entry::kOpen, &Server::answer_health},
      Route{"GET", "/ready", Entry::kOpen, &Server::answer_ready},
      Route{"GET", "/metrics", Entry::kNeedsMetricsKey, &Server::answer_metrics},
      Route{"GET", "/cairn/requests/", Entry::kNeedsKey, &Server::answer_explanation},
      Route{"POST", "/api/chat", Entry::kNeedsKey, &Server::answer_ollama_chat},
      Route{"POST", "/api/generate", Entry::kNeedsKey, &Server::answer_ollama_generate},
      Route{"GET", "/api/tags", Entry::kNeedsKey, &Server::answer_tags},
      Route{"POST", "/api/show", Entry::kNeedsKey, &Server::answer_show},
      Route{"GET", "/api/ps", Entry::kNeedsKey, &Server::answer_ps},
      Route{"GET", "/api/version", Entry::kOpen, &Server::answer_version},
  };
  return kRoutes;
}

const Server::Route* Server::find_route(const HttpHead& head) {
  const std::string_view method = is_read(head.method) ? "GET" : std::string_view(head.method);
  for (const Route& route : routes()) {
    if (takes(route.path, head.path) && route.method == method) return &route;
  }
  return nullptr;
}

HttpReply Server::no_route(const HttpHead& head) {
  for (const Route& route : routes()) {
    if (!takes(route.path, head.path)) continue;
    HttpReply reply = error_reply(method_not_allowed(std::string(head.path) + " takes " +
                                                     std::string(route.method) + ", not " + head.method),
                                  head.path);
    reply.headers.push_back({"Allow", is_read(route.method) ? "GET, HEAD" : std::string(route.method)});
    return reply;
  }
  return error_reply(
      not_found_error("there is nothing at " + head.path + ": docs/serving.md lists what this server has"),
      head.path);
}

std::optional<ApiError> Server::check_entry(const Route& route, const HttpHead& head,
                                            TenantRef& tenant) const {
  if (route.entry == Entry::kOpen) return std::nullopt;
  auto who = access_.who(head);
  if (!who.ok()) return who.error();
  tenant = std::move(*who);
  const bool may_read = !tenants_.needs_key() || tenant->config.metrics == MetricsAccess::kAll;
  if (route.entry != Entry::kNeedsMetricsKey || may_read) return std::nullopt;
  return permission_error("this key may not read the metrics: give it metrics=yes in the keys file");
}

std::optional<HttpReply> Server::at_the_door(const HttpHead& head) {
  if (!is_complete_) return error_reply(unavailable_error("the server is starting"), head.path, 1);
  if (auto reply = guard_.check(head)) {
    log_refusal(head, reply->status);
    return reply;
  }
  const auto refuse = [&](HttpReply reply) {
    log_refusal(head, reply.status);
    for (HttpHeader& header : guard_.headers(head)) reply.headers.push_back(std::move(header));
    return reply;
  };
  if (is_page_path(head.path)) return std::nullopt;
  const Route* const route = find_route(head);
  if (route == nullptr) return refuse(no_route(head));
  TenantRef tenant;
  if (const auto error = check_entry(*route, head, tenant)) {
    return refuse(error_reply(*error, head.path));
  }
  return std::nullopt;
}

void Server::log_refusal(const HttpHead& head, int status) {
  if (status < 400) return;
  log_->write(
      LogLevel::kInfo, "refused",
      {{"status", int64_t{status}}, {"method", head.method}, {"path", head.path}, {"peer", head.peer}});
}

void Server::note_refusal(std::string_view peer, int status, std::string_view why) {
  log_->write(LogLevel::kInfo, "refused", {{"status", int64_t{status}}, {"why", why}, {"peer", peer}});
}

// The door has let it in; a key that was taken back since then is refused here.
void Server::handle(std::shared_ptr<HttpExchange> exchange) {
  const HttpHead& head = exchange->request().head;
  Asked asked{.exchange = nullptr, .tenant = nullptr, .id = new_reply_id(), .argument = {}};
  std::vector<HttpHeader> headers = guard_.headers(head);
  const Route* const route = find_route(head);
  const bool is_text = route != nullptr && route->face.has_value();
  headers.push_back({"X-Request-Id", is_text ? shown_reply_id(*route->face, asked.id) : asked.id});
  asked.exchange = std::make_shared<ExchangeWithHeaders>(std::move(exchange), std::move(headers));
  if (is_page_path(head.path)) return asked.exchange->reply(page_reply(head));
  if (route == nullptr) return asked.exchange->reply(no_route(head));
  if (const auto error = check_entry(*route, head, asked.tenant)) {
    return asked.exchange->reply(error_reply(*error, head.path));
  }
  if (route->path.ends_with('/')) asked.argument = head.path.substr(route->path.size());
  (this->*route->answer)(asked);
}

// ---- from the beginning to the end ----

Server::Server(ServerParts parts, const ServerOptions& options)
    : log_(std::move(parts.log)),
      tokenizer_(std::move(parts.tokenizer)),
      prompter_(std::move(parts.prompter)),
      facts_(std::move(parts.facts)),
      clock_(parts.clock),
      guard_(options.guard),
      metrics_(options.metrics),
      tenants_(std::move(parts.keys), options.sharing),
      access_({.tenants = tenants_, .rates = rates_, .metrics = metrics_, .clock = clock_},
              options.texts_max),
      records_(metrics_, *log_),
      unstarted_engine_(std::move(parts.engine)) {}

Result<std::unique_ptr<Server>> Server::start(ServerParts parts, const ServerOptions& options) {
  const std::shared_ptr<const KeyTable> keys = parts.keys;
  std::unique_ptr<Server> server(new Server(std::move(parts), options));
  server->warn_of_small_quotas(keys.get());
  CAIRN_RETURN_IF_ERROR(server->begin(options));
  return server;
}

Status Server::begin(const ServerOptions& options) {
  auto trie = TokenTrie::build(tokenizer_);
  constraints_ = std::make_unique<Constraints>(trie.ok() ? *trie : nullptr, trie.status(),
                                               forms_of(prompter_.format(), tokenizer_));
  CAIRN_ASSIGN_OR_RETURN(deliveries_, WorkerPool::create(kDeliveryThreads));
  CAIRN_ASSIGN_OR_RETURN(workers_, WorkerPool::create(kWorkerThreads));
  const auto deliver = [pool = deliveries_.get()](Delivery delivery) {
    pool->post([delivery = std::move(delivery)] { delivery->deliver(); });
  };
  CAIRN_ASSIGN_OR_RETURN(engine_,
                         EngineThread::create(std::move(unstarted_engine_), deliver, options.engine_thread));
  share_engine();
  service_.emplace(Service{.facts = facts_,
                           .tokenizer = tokenizer_,
                           .prompter = prompter_,
                           .engine = *engine_,
                           .clock = clock_,
                           .access = access_,
                           .constraints = *constraints_,
                           .records = records_,
                           .workers = *workers_,
                           .longest_token_bytes = longest_token(tokenizer_),
                           .stream_count = stream_count_});
  CAIRN_ASSIGN_OR_RETURN(http_, HttpServer::start(options.http, *this));
  is_complete_ = true;
  return {};
}

// Only a full mailbox or no memory stops it; then the shares are those of before.
void Server::share_engine() {
  const Status status = engine_->ask([this, shares = tenants_.shares()](Engine& engine) {
    const Status taken = engine.set_tenants(shares);
    if (!taken.ok())
      log_->write(LogLevel::kWarning, "the tenants' shares could not be set: " + taken.message());
  });
  if (!status.ok())
    log_->write(LogLevel::kWarning, "the tenants' shares could not be set: " + status.message());
}

void Server::warn_of_small_quotas(const KeyTable* keys) {
  if (keys == nullptr) return;
  for (const std::string& note : small_quota_notes(*keys, facts_.block_bytes)) {
    log_->write(LogLevel::kWarning, note);
  }
}

Tenants::Change Server::reload_keys(std::shared_ptr<const KeyTable> keys) {
  warn_of_small_quotas(keys.get());
  const Tenants::Change change = tenants_.reload(std::move(keys));
  std::vector<TenantId> kept;
  for (const TenantRef& tenant : tenants_.list()) kept.push_back(tenant->id);
  rates_.keep_only(kept);
  share_engine();
  return change;
}

void Server::stop(std::chrono::milliseconds grace) {
  if (is_stopping_.exchange(true) || http_ == nullptr) return;
  const auto deadline = std::chrono::steady_clock::now() + grace;
  http_->stop_accepting();
  engine_->drain(deadline);
  constexpr std::chrono::milliseconds kForTheLastBytes{2000};
  http_->stop(kForTheLastBytes);
}

// A full mailbox is no failure.
Status Server::engine_status() {
  const Status status = engine_->ask([](Engine&) {});
  return status.code() == StatusCode::kResourceExhausted ? Status() : status;
}

void Server::hurry() { engine_->drain(std::chrono::steady_clock::now()); }

// Work that was handed over uses the sockets and the engine, and texts end before the threads that deliver their ends.
Server::~Server() {
  stop(std::chrono::milliseconds(0));
  workers_.reset();
  if (engine_ != nullptr) engine_->drain(std::chrono::steady_clock::now());
  deliveries_.reset();
  http_.reset();
}

}  // namespace cairn
