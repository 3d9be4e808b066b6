#include "server/server_testing.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

namespace cairn {
namespace {

std::unique_ptr<Engine> make_engine(const ServedTestOptions& options, const Clock& clock) {
  const LoadedModel& demo = demo_model();
  EngineOptions engine = demo.engine_options;
  engine.max_sequences = options.max_sequences;
  engine.context = options.context;
  engine.pool_bytes = options.pool_bytes;
  engine.prefill_chunk = 128;
  engine.clock = &clock;
  auto made = Engine::create(demo.model, *demo.threads, engine);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return std::move(*made);
}

ServedFacts facts_for(const Engine& engine, const ServedTestOptions& options) {
  ServedFacts facts;
  facts.name = "demo";
  facts.version = "0.0";
  facts.context = engine.context();
  facts.longest_text = engine.cache().max_length();
  facts.position_bytes = engine.cache().geometry().block_bytes(0) / kBlockSize;
  facts.block_bytes = engine.cache().geometry().block_bytes();
  facts.known_text =
      options.sharing == TenantSharing::kAcrossTenants ? KnownText::kHidden : KnownText::kShown;
  facts.pressure = options.keys.empty() ? Pressure::kShown : Pressure::kHidden;
  facts.ollama = {.name = "demo", .family = "llama", .context_length = facts.context};
  return facts;
}

}  // namespace

const LoadedModel& demo_model() {
  static const auto* const kDemo = [] {
    OpenOptions options{.thread_count = 1};
    options.context = 1024;
    auto loaded = load_model(CAIRN_SOURCE_DIR "/models/cairn-demo.gguf", options);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return new LoadedModel(std::move(*loaded));
  }();
  return *kDemo;
}

ServedTest::ServedTest(ServedTestOptions options) {
  const Tokenizer& tokenizer = demo_model().model->tokenizer();
  auto engine = make_engine(options, clock_);
  ChatPrompterOptions prompting;
  if (!options.chat_template.empty()) prompting.model_template = options.chat_template;
  auto prompter = ChatPrompter::create(tokenizer, prompting);
  EXPECT_TRUE(prompter.ok()) << prompter.status().message();
  std::shared_ptr<const KeyTable> keys;
  if (!options.keys.empty()) {
    auto table = KeyTable::parse(options.keys, "keys");
    EXPECT_TRUE(table.ok()) << table.status().message();
    keys = std::make_shared<const KeyTable>(std::move(*table));
  }
  auto log = Log::to_sink({.prompts = options.log_prompts}, [this](std::string_view line) {
    const std::lock_guard lock(lines_mutex_);
    lines_.emplace_back(line);
  });
  EXPECT_TRUE(log.ok());
  ServedFacts facts = facts_for(*engine, options);
  options.http.port = 0;
  ServerOptions serving{.http = options.http,
                        .guard = options.guard,
                        .sharing = options.sharing,
                        .texts_max = options.texts_max};
  serving.metrics.by_tenant = MetricsByTenant::kOn;
  auto server = Server::start({.engine = std::move(engine),
                               .tokenizer = tokenizer,
                               .prompter = std::move(*prompter),
                               .facts = std::move(facts),
                               .keys = std::move(keys),
                               .log = std::move(*log),
                               .clock = clock_},
                              serving);
  EXPECT_TRUE(server.ok()) << server.status().message();
  server_ = std::move(*server);
}

ServedTest::~ServedTest() {
  server_->stop(std::chrono::milliseconds(0));
  server_.reset();
}

uint16_t ServedTest::port() const {
  const std::string url = server_->url();
  uint16_t port = 0;
  const char* const end = url.data() + url.size();
  std::from_chars(url.data() + url.rfind(':') + 1, end, port);
  return port;
}

std::vector<std::string> ServedTest::log_lines() {
  const std::lock_guard lock(lines_mutex_);
  return lines_;
}

void ServedTest::forget_log_lines() {
  const std::lock_guard lock(lines_mutex_);
  lines_.clear();
}

double ServedTest::metric(std::string_view name, std::string_view label, std::string_view key) const {
  const std::string text = ask("GET", "/metrics", {}, key);
  std::optional<double> sum;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (!line.starts_with(name) || line.find_first_of(" {") != name.size()) continue;
    if (line.find(label) == std::string_view::npos) continue;
    sum = sum.value_or(0) + std::strtod(line.data() + line.rfind(' '), nullptr);
  }
  EXPECT_TRUE(sum.has_value()) << name << " " << label << "\n" << text;
  return sum.value_or(0);
}

bool ServedTest::comes_to_rest(double requests, std::string_view key) const {
  constexpr std::chrono::minutes kPatience{4};
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    const bool is_idle =
        metric("cairn_running_requests", {}, key) + metric("cairn_waiting_requests", {}, key) == 0;
    if (is_idle && metric("cairn_requests_total", {}, key) >= requests) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

std::string ServedTest::post(std::string_view path, std::string_view body, std::string_view key,
                             std::string_view more_headers) {
  const std::string authorization = key.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", key);
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
      "{}\r\n{}{}\r\n{}",
      path, body.size(), authorization, more_headers, body);
}

std::string ServedTest::ask(std::string_view method, std::string_view path, std::string_view body,
                            std::string_view key, std::string_view more_headers) const {
  RawClient client(port());
  const std::string close = fmt::format("Connection: close\r\n{}", more_headers);
  if (method == "POST") {
    client.send(post(path, body, key, close));
  } else {
    const std::string authorization = key.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", key);
    client.send(
        fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n{}{}\r\n", method, path, authorization, close));
  }
  return client.read_all();
}

boost::json::value ServedTest::json(std::string_view method, std::string_view path, std::string_view body,
                                    std::string_view key, int status) const {
  const std::string reply = ask(method, path, body, key);
  EXPECT_EQ(status_of(reply), status) << reply;
  boost::system::error_code error;
  auto value = boost::json::parse(body_of(reply), error);
  EXPECT_FALSE(error) << reply;
  return value;
}

std::vector<std::string> ServedTest::events(std::string_view path, std::string_view body,
                                            std::string_view key) const {
  const std::string reply = ask("POST", path, body, key);
  EXPECT_EQ(status_of(reply), 200) << reply;
  const auto stream = unchunked(body_of(reply));
  EXPECT_TRUE(stream.has_value()) << reply;
  std::vector<std::string> events;
  std::string_view rest = stream.has_value() ? *stream : std::string_view();
  constexpr std::string_view kData = "data: ";
  for (size_t at = rest.find(kData); at != std::string_view::npos; at = rest.find(kData)) {
    rest.remove_prefix(at + kData.size());
    const size_t end = rest.find("\n\n");
    events.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end, rest.size()));
  }
  return events;
}

std::string tools_template() {
  std::ifstream file(CAIRN_SOURCE_DIR "/web/test/support/tools.jinja");
  EXPECT_TRUE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string test_key_line(std::string_view name, std::string_view key, std::string_view settings) {
  return fmt::format("{} sha256:{} {}\n", name, to_hex(hash_of_key(key)), settings);
}

}  // namespace cairn
