#include "cli/serve.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "base/machine.h"
#include "base/sha256.h"
#include "cli/console.h"
#include "cli/help_text.h"
#include "cli/open_model.h"
#include "cli/serve_settings.h"
#include "cli/serve_signals.h"
#include "cli/template_options.h"
#include "cli/tier_options.h"
#include "engine/block_identity.h"
#include "engine/drafts/model_drafter.h"
#include "engine/memory_plan.h"
#include "engine/thread_count.h"
#include "server/http/certificate.h"
#include "server/server.h"
#include "server/tier_watch.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;

Result<std::shared_ptr<const KeyTable>> load_keys(const ServeOptions& options, Console& console) {
  if (!options.api_keys.has_value()) return std::shared_ptr<const KeyTable>();
  CAIRN_ASSIGN_OR_RETURN(LoadedKeys keys, KeyTable::load(*options.api_keys));
  for (const std::string& note : keys.notes) console.note("note: " + note);
  return keys.table;
}

// The certificate's times; nullopt: there is none, or none that the server could use.
std::optional<CertificateTimes> certificate_of(const ServeOptions& options) {
  if (!options.tls_certificate.has_value()) return std::nullopt;
  const auto times = certificate_times(*options.tls_certificate);
  return times.ok() ? std::optional(*times) : std::nullopt;
}

std::vector<std::string> certificate_notes(const ServeOptions& options) {
  const auto times = certificate_of(options);
  if (!times.has_value()) return {};
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return certificate_notes(*times, *options.tls_certificate, now);
}

// Where --kv-memory is absent: what all texts at once would need, but at most a quarter of what is free, so that many texts
// of a long context do not take the whole machine; and enough for one.
Status choose_pool(const Config& config, EngineOptions& engine) {
  if (engine.pool_bytes.has_value()) return {};
  const uint64_t free_bytes = engine.available_bytes.value_or(memory_facts().available_bytes);
  CAIRN_ASSIGN_OR_RETURN(const KvMemory whole, plan_kv_memory(config, {.engine = engine}));
  if (whole.pool_bytes <= free_bytes / 4) return {};
  EngineOptions alone = engine;
  alone.max_sequences = 1;
  CAIRN_ASSIGN_OR_RETURN(const KvMemory one, plan_kv_memory(config, {.engine = alone}));
  engine.pool_bytes = std::max(one.pool_bytes, free_bytes / 4);
  return {};
}

// What the engine takes of the options, beside what open_options() gives it.
Status prepare_engine(const ServeOptions& options, const Config& config, EngineOptions& engine) {
  engine.pace = options.pace;
  return choose_pool(config, engine);
}

std::string short_digest(std::string_view text) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span(text)));
  constexpr size_t kShown = 12;
  return to_hex(sha.finish()).substr(0, kShown);
}

// Replies without a seed are nobody's to foresee, nor to count requests by.
uint64_t random_seed() {
  std::random_device system;
  return (uint64_t{system()} << 32) | system();
}

std::string name_of(const ServeOptions& options, const std::string& path) {
  if (options.name.has_value()) return *options.name;
  if (!options.common.model_path.has_value()) return "demo";
  std::filesystem::path file(path);
  if (!file.has_filename()) file = file.parent_path();  // "models/qwen/"
  return file.extension() == ".gguf" ? file.stem().string() : file.filename().string();
}

// Each connection is an open file.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string rounded_count(uint64_t count) {
  const auto value = static_cast<double>(count);
  if (value >= 1e9) return fmt::format("{:.1f}B", value * 1e-9);
  return fmt::format("{:.1f}M", value * 1e-6);
}

ServedFacts facts_of(const ServeOptions& options, const OpenModel& opened, const ModelFile& file,
                     const Engine& engine) {
  const Config& config = opened.model->config();
  ServedFacts facts;
  facts.name = name_of(options, opened.path);
  facts.version = version_number();
  facts.fingerprint =
      "fp_" + short_digest(block_identity(config, *opened.kernels) + facts.version + opened.path);
  facts.created_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  facts.load_ns = static_cast<int64_t>(opened.load_ns);
  facts.context = engine.context();
  facts.longest_text = engine.cache().max_length();
  facts.sharing = sharing_of(options.common);
  const KvGeometry& geometry = engine.cache().geometry();
  facts.block_bytes = geometry.block_bytes();
  if (geometry.group_count() == 1) facts.position_bytes = geometry.block_bytes(0) / kBlockSize;
  facts.known_text = options.shares_across_tenants ? KnownText::kHidden : KnownText::kShown;
  facts.pressure = options.api_keys.has_value() ? Pressure::kHidden : Pressure::kShown;
  facts.chat_template = file.chat_template().value_or("");
  facts.ollama = {.name = facts.name,
                  .modified_ns = facts.created_ns,
                  .bytes = static_cast<int64_t>(file.file_bytes()),
                  .family = config.family,
                  .parameter_size = rounded_count(opened.weights.parameter_count),
                  .context_length = facts.context};
  facts.model_info = {{"general.architecture", config.family},
                      {"general.parameter_count", opened.weights.parameter_count},
                      {config.family + ".context_length", opened.made_for}};
  return facts;
}

Result<ChatPrompter> make_prompter(const ServeOptions& options, const ModelFile& file,
                                   const Tokenizer& tokenizer) {
  ChatPrompterOptions prompter{.model_template = file.chat_template(),
                               .variables = options.template_variables};
  if (options.chat_template.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(prompter.chosen, chosen_chat_form(*options.chat_template));
  }
  return ChatPrompter::create(tokenizer, prompter);
}

// The server until a signal ends it.
class Serving {
 public:
  Serving(const ServeOptions& options, const BlockTierOptions& tiers, Server& server, ServeSignals& signals,
          Console& console)
      : options_(options),
        server_(server),
        signals_(signals),
        console_(console),
        tiers_(tiers.disk, tiers.remote, server.log()) {}

  // An error: the engine has failed.
  Result<ExitCode> run() {
    warn_of_certificate();
    constexpr milliseconds kPatience{5'000};
    while (true) {
      const auto signal = signals_.wait(kPatience);
      tiers_.look();
      if (const Status status = server_.engine_status(); !status.ok()) return status;
      if (signal == ServeSignal::kReload) reload();
      if (signal == ServeSignal::kStop) return stop();
    }
  }

 private:
  void reload() {
    reload_certificate();
    if (!options_.api_keys.has_value()) return;
    auto keys = KeyTable::load(*options_.api_keys);
    if (!keys.ok()) return report(keys.status());
    for (const std::string& note : keys->notes) server_.log().write(LogLevel::kWarning, note);
    const Tenants::Change change = server_.reload_keys(keys->table);
    server_.log().write(LogLevel::kInfo, "the keys were read again",
                        {{"added", static_cast<int64_t>(change.added)},
                         {"changed", static_cast<int64_t>(change.changed)},
                         {"removed", static_cast<int64_t>(change.removed)}});
  }

  void reload_certificate() {
    if (!options_.tls_certificate.has_value()) return;
    if (const Status status = server_.reload_certificate(); !status.ok()) return report(status);
    const auto times = certificate_of(options_);
    const std::string ends = times.has_value() ? certificate_time_text(times->ends) : "?";
    server_.log().write(LogLevel::kInfo, "the certificate was read again", {{"ends", ends}});
    warn_of_certificate();
  }

  void warn_of_certificate() {
    for (const std::string& note : certificate_notes(options_)) {
      server_.log().write(LogLevel::kWarning, note);
    }
  }

  // What was there stays in use.
  void report(const Status& status) {
    server_.log().write(LogLevel::kError,
                        "not read again, and what was there stays in use: " + status.message());
  }

  ExitCode stop() {
    server_.log().write(LogLevel::kInfo, "stopping: no more requests, texts may end", {});
    std::atomic<bool> has_stopped = false;
    std::thread stopper([&] {
      server_.stop(as_milliseconds(options_.grace_seconds));
      has_stopped = true;
    });
    constexpr milliseconds kPatience{50};
    bool is_hurried = false;
    while (!has_stopped) {
      if (signals_.wait(kPatience) != ServeSignal::kStop || is_hurried) continue;
      is_hurried = true;
      server_.hurry();
    }
    stopper.join();
    console_.note("stopped");
    signals_.end_at_once(is_hurried ? 1 : 0);  // blocks may still be on their way to a slow store
    return is_hurried ? ExitCode::kInterrupted : ExitCode::kDone;
  }

  const ServeOptions& options_;
  Server& server_;
  ServeSignals& signals_;
  Console& console_;
  TierWatch tiers_;
};

class NoHandler final : public HttpHandler {
 public:
  std::optional<HttpReply> at_the_door(const HttpHead&) override { return HttpReply{.status = 503}; }
  void handle(std::shared_ptr<HttpExchange>) override {}
  void note_refusal(std::string_view, int, std::string_view) override {}
};

// What the options say of this machine. A folder that another server holds is as it should be while one runs.
Status check_machine(const CommonOptions& options) {
  const std::optional<std::string> isa =
      options.isa.has_value() ? std::optional(std::string(isa_name(*options.isa))) : std::nullopt;
  CAIRN_RETURN_IF_ERROR(select_kernels(isa).status());
  CAIRN_RETURN_IF_ERROR(checked_thread_count(options.thread_count).status());
  TierSettings tiers = options.tiers;
  std::error_code ignored;
  const bool is_there = tiers.disk.has_value() && std::filesystem::exists(*tiers.disk, ignored);
  if (!is_there || is_store_folder_held(*tiers.disk)) tiers.disk.reset();  // nothing is made, nor taken
  return open_tiers(tiers).status();
}

// Nothing is served: each file that an option names is read.
Result<ExitCode> check_config(const ServeOptions& options, Console& console) {
  CAIRN_RETURN_IF_ERROR(check_machine(options.common));
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path(options.common));
  CAIRN_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(path));
  CAIRN_ASSIGN_OR_RETURN(const Tokenizer tokenizer, file.tokenizer(options.common.tokenizer));
  CAIRN_ASSIGN_OR_RETURN(const ChatPrompter prompter, make_prompter(options, file, tokenizer));
  if (options.common.draft_model.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(const ModelFile small, ModelFile::open(*options.common.draft_model));
    CAIRN_RETURN_IF_ERROR(small.plan().status());
    CAIRN_ASSIGN_OR_RETURN(const Tokenizer vocabulary, small.tokenizer(options.common.tokenizer));
    CAIRN_RETURN_IF_ERROR(ModelDrafter::common_vocabulary(vocabulary, tokenizer).status());
  }
  CAIRN_ASSIGN_OR_RETURN(const auto keys, load_keys(options, console));
  CAIRN_ASSIGN_OR_RETURN(const ModelPlan plan, file.plan());
  CAIRN_ASSIGN_OR_RETURN(EngineOptions engine,
                         engine_options_for(plan.config, open_options(options.common, options.parallel)));
  CAIRN_RETURN_IF_ERROR(prepare_engine(options, plan.config, engine));
  CAIRN_RETURN_IF_ERROR(plan_kv_memory(plan.config, {.engine = engine}).status());
  if (keys != nullptr) {
    CAIRN_ASSIGN_OR_RETURN(const KvShape shape, kv_shape_of(plan.config, engine.kv_plan, engine.context));
    CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, KvGeometry::make(shape));
    for (const std::string& note : small_quota_notes(*keys, geometry.block_bytes())) {
      console.note("note: " + note);
    }
  }
  HttpServerOptions http = http_options(options);
  http.port = 0;  // the server that has the other may be running
  NoHandler nobody;
  CAIRN_RETURN_IF_ERROR(HttpServer::start(http, nobody).status());
  for (const std::string& note : certificate_notes(options)) console.note("note: " + note);
  console.note(keys == nullptr ? "the configuration is fine; nobody needs a key"
                               : fmt::format("the configuration is fine; {} keys", keys->tenants().size()));
  return ExitCode::kDone;
}

Result<ExitCode> serve(const ServeOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(auto keys, load_keys(options, console));
  raise_file_limit();
  const auto prepare = [&options](const Config& config, const Tokenizer&, EngineOptions& engine) {
    return prepare_engine(options, config, engine);
  };
  CAIRN_ASSIGN_OR_RETURN(OpenModel opened, open_model(options.common, console, options.parallel, prepare));
  CAIRN_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(opened.path));
  CAIRN_ASSIGN_OR_RETURN(ChatPrompter prompter, make_prompter(options, file, opened.model->tokenizer()));
  print_notes(prompter.notes(), console);
  const SteadyClock clock;
  opened.engine_options.clock = &clock;
  opened.engine_options.seed = random_seed();
  CAIRN_ASSIGN_OR_RETURN(auto engine, Engine::create(opened.model, *opened.threads, opened.engine_options));
  console.note(describe_choices(opened, opened.engine_options, engine->cache()));
  CAIRN_ASSIGN_OR_RETURN(auto log, Log::to_descriptor({.format = options.log_format,
                                                       .level = options.log_level,
                                                       .prompts = options.log_prompts},
                                                      STDERR_FILENO));
  CAIRN_ASSIGN_OR_RETURN(ServeSignals signals, ServeSignals::catch_all());
  ServedFacts facts = facts_of(options, opened, file, *engine);
  const ServerOptions serving = server_options(options, facts, isa_name(opened.kernels->isa));
  CAIRN_ASSIGN_OR_RETURN(auto server, Server::start({.engine = std::move(engine),
                                                     .tokenizer = opened.model->tokenizer(),
                                                     .prompter = std::move(prompter),
                                                     .facts = std::move(facts),
                                                     .keys = std::move(keys),
                                                     .log = std::move(log),
                                                     .clock = clock},
                                                    serving));
  console.note("listening on " + server->url());
  return Serving(options, opened.engine_options.tiers, *server, signals, console).run();
}

}  // namespace

Result<ExitCode> run_serve(const ServeOptions& options, Console& console) {
  CAIRN_RETURN_IF_ERROR(check_reach(options));
  const auto run = options.only_checks ? check_config : serve;
  Result<ExitCode> code = run(options, console);
  // How many sequences there may be is --parallel here.
  if (!code.ok()) return with_flag(code.status(), "max_sequences", "--parallel");
  return code;
}

}  // namespace cairn
