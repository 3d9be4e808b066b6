#include "cli/bench_serve.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "base/temporary_folder_testing.h"
#include "cli/bench_serve_call.h"
#include "cli/bench_serve_report.h"
#include "cli/console.h"
#include "cli/parse.h"
#include "server/http/http_server.h"

namespace cairn {
namespace {

namespace json = boost::json;

constexpr uint64_t kMs = 1'000'000;

TEST(BenchServeReport, CountsPercentilesByNearestRank) {
  std::vector<double> values;
  for (int i = 200; i >= 1; --i) values.push_back(i);
  const Spread spread = spread_of(values);
  EXPECT_EQ(spread.p50, 100);
  EXPECT_EQ(spread.p90, 180);
  EXPECT_EQ(spread.p99, 198);
  EXPECT_EQ(spread.max, 200);
  EXPECT_EQ(spread.mean, 100.5);
  EXPECT_EQ(spread_of({7}).p50, 7);
  EXPECT_EQ(spread_of({7}).p99, 7);
  EXPECT_EQ(spread_of({}).count, 0u);
}

CallResult answered(uint64_t begin_ms, uint64_t ttft_ms, uint64_t tpot_ms, int64_t tokens) {
  const uint64_t first = begin_ms + ttft_ms;
  const uint64_t last = first + tpot_ms * static_cast<uint64_t>(tokens - 1);
  return {.status = 200,
          .begin_ns = begin_ms * kMs,
          .first_ns = first * kMs,
          .last_ns = last * kMs,
          .end_ns = last * kMs,
          .prompt_tokens = 100,
          .cached_tokens = 25,
          .answer_tokens = tokens};
}

TEST(BenchServeReport, AddsUp) {
  CallResult refused{.status = 429, .error = "Too many.", .begin_ns = 1000 * kMs, .end_ns = 1001 * kMs};
  const std::vector<CallResult> results{answered(1000, 100, 10, 11),
                                        answered(1000, 300, 10, 11),
                                        answered(1000, 100, 50, 11),
                                        answered(2500, 500, 0, 1),
                                        refused,
                                        refused};
  const ServeReport report = report_of(results, {.ttft_ms = 200, .tpot_ms = 20});
  EXPECT_EQ(report.completed, 4);
  EXPECT_EQ(report.failed(), 2);
  EXPECT_EQ(report.failures.at(429).first, "Too many.");
  EXPECT_DOUBLE_EQ(report.seconds, 2.0);
  EXPECT_EQ(report.answer_tokens, 34);
  EXPECT_DOUBLE_EQ(report.per_second(report.answer_tokens), 17);
  EXPECT_DOUBLE_EQ(report.hit_rate(), 0.25);
  EXPECT_EQ(report.within_slo, 1);
  EXPECT_EQ(report.tpot_ms.count, 3u);  // an answer of one token has none
  EXPECT_DOUBLE_EQ(report.tpot_ms.max, 50);
  EXPECT_NE(report_text(report).find("goodput       1 of 6 (16.7 %), 0.50 a second"), std::string::npos)
      << report_text(report);
  EXPECT_NE(report_text(report).find("failed        2 x status 429: Too many."), std::string::npos);
  const json::value parsed = json::parse(report_json(report, "u", "m"));
  EXPECT_EQ(parsed.at("failures").at("status 429").at("count").as_int64(), 2);
  const std::string csv = report_csv(report);
  EXPECT_EQ(std::ranges::count(csv, '\n'), 2);
}

TEST(CallRecorder, ReadsBothFacesHoweverTheyAreCut) {
  const std::string completions =
      "data: {\"choices\":[{\"text\":\"\"}]}\n\ndata: {\"choices\":[{\"text\":\"a\"}],\"usage\":null}\n\n"
      "data: {\"choices\":[{\"text\":\"b\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
      "\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\ndata: [DONE]\n\n";
  const std::string chat =
      "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"a\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\ndata: [DONE]\n\n";
  for (const std::string& stream : {completions, chat}) {
    CallRecorder recorder(10);
    recorder.on_head(200);
    uint64_t now = 100;
    for (const char c : stream) recorder.on_data({&c, 1}, now++);
    const CallResult result = recorder.finish({}, now);
    EXPECT_TRUE(is_complete(result)) << result.error;
    EXPECT_GT(result.first_ns, 100u);
    EXPECT_GT(result.last_ns, result.first_ns);
    EXPECT_LT(result.last_ns, result.end_ns);
    EXPECT_EQ(result.answer_tokens, stream == completions ? 3 : 2);
    EXPECT_EQ(result.cached_tokens, stream == completions ? 4 : 0);
  }
}

TEST(CallRecorder, KnowsWhatIsNoAnswer) {
  const auto error_of = [](int status, std::string_view body, const Status& end = {}) {
    CallRecorder recorder(0);
    recorder.on_head(status);
    recorder.on_data(body, 1);
    return recorder.finish(end, 2).error;
  };
  EXPECT_EQ(error_of(429, R"({"error":{"message":"Slow down."}})"), "Slow down.");
  EXPECT_EQ(error_of(500, ""), "status 500");
  EXPECT_EQ(error_of(200, "data: {\"choices\":[]}\n\n"), "the stream ended without [DONE]");
  EXPECT_EQ(error_of(200, "data: {\"error\":{\"message\":\"Broke.\"}}\n\ndata: [DONE]\n\n"), "Broke.");
  EXPECT_EQ(error_of(200, "data: junk\n\n"), "an event of the stream is no JSON object");
  EXPECT_EQ(error_of(200, "", not_found("gone")), "gone");
}

// A server that answers as OpenAI's would, at once or a little later.
class FakeServer : public HttpHandler {
 public:
  FakeServer() {
    HttpServerOptions options;
    options.port = 0;
    server_ = HttpServer::start(options, *this).value();
  }
  ~FakeServer() override { server_->stop(std::chrono::milliseconds(0)); }

  void note_refusal(std::string_view, int, std::string_view) override {}
  std::optional<HttpReply> at_the_door(const HttpHead& head) override {
    if (head.header("authorization") == "Bearer sk-test") return std::nullopt;
    return HttpReply{.status = 401, .body = R"({"error":{"message":"No key."}})"};
  }

  void handle(std::shared_ptr<HttpExchange> exchange) override {
    const std::string& path = exchange->request().head.path;
    if (path == "/v1/models") return exchange->reply({.body = R"({"data":[{"id":"fake"}]})"});
    const json::value body = json::parse(exchange->request().body);
    const std::lock_guard lock(mutex_);
    ++calls_;
    paths_.insert(path);
    EXPECT_EQ(body.at("model").as_string(), "fake");
    if (calls_ % 5 == 0) return exchange->reply({.status = 429, .body = R"({"error":{"message":"Full."}})"});
    const bool is_chat = path == "/v1/chat/completions";
    exchange->begin_stream({.content_type = "text/event-stream"});
    for (int64_t i = 0; i < body.at("max_tokens").as_int64(); ++i) {
      exchange->send(is_chat ? "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
                             : "data: {\"choices\":[{\"text\":\"x\"}]}\n\n");
    }
    exchange->send(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":8,"
        "\"prompt_tokens_details\":{\"cached_tokens\":5}}}\n\ndata: [DONE]\n\n");
    exchange->end_stream();
  }

  [[nodiscard]] std::string url() const { return server_->url(); }
  [[nodiscard]] std::set<std::string> paths() {
    const std::lock_guard lock(mutex_);
    return paths_;
  }

 private:
  std::unique_ptr<HttpServer> server_;
  std::mutex mutex_;
  int calls_ = 0;
  std::set<std::string> paths_;
};

class BenchServe : public testing::Test {
 protected:
  // What it prints; fails unless it is done.
  std::string output_of(const BenchServeOptions& options) {
    const std::string path = folder_.at("out");
    std::FILE* file = std::fopen(path.c_str(), "w");
    Console console(Console::Colours::kNever, fileno(file), fileno(file));
    const auto code = run_bench_serve(options, console);
    std::fclose(file);
    EXPECT_TRUE(code.ok()) << code.status().message();
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  TemporaryFolder folder_;
  FakeServer server_;
};

TEST_F(BenchServe, AsksInTurnAndAtRandom) {
  BenchServeOptions options{.url = server_.url() + "/v1", .api_key = "sk-test"};
  options.load.request_count = 20;
  options.load.answer_tokens = Lengths(8);
  options.output_form = OutputForm::kJson;
  for (const bool at_random : {false, true}) {
    options.load.users.reset();
    options.load.rate.reset();
    if (at_random) options.load.rate = 200;
    if (!at_random) options.load.users = 4;
    options.face = at_random ? ServerFace::kChat : ServerFace::kCompletions;
    const json::value report = json::parse(output_of(options));
    EXPECT_EQ(report.at("answered").as_int64(), 16);
    EXPECT_EQ(report.at("failures").at("status 429").at("count").as_int64(), 4);
    EXPECT_EQ(report.at("answer_tokens").as_int64(), 16 * 8);
    EXPECT_EQ(report.at("hit_rate").to_number<double>(), 0.5);
    EXPECT_GT(report.at("ttft_ms").at("p50").to_number<double>(), 0);
  }
  EXPECT_EQ(server_.paths(), (std::set<std::string>{"/v1/completions", "/v1/chat/completions"}));
}

TEST(ParseBenchServe, FillsItsOptions) {
  const std::vector<std::string> arguments{
      "bench", "serve",           "--url", "http://h:1", "--users", "16",     "--chat", "--prompt-words",
      "5-9",   "--shared-prefix", "0.5",   "--slo-ttft", "500",     "--seed", "7",      "--csv"};
  const auto command = parse_command(arguments);
  ASSERT_TRUE(command.ok()) << command.status().message();
  const auto& options = std::get<BenchServeOptions>(*command);
  EXPECT_EQ(options.url, "http://h:1");
  EXPECT_EQ(options.load.users, 16);
  EXPECT_EQ(options.face, ServerFace::kChat);
  EXPECT_EQ(options.load.shared_share, 0.5);
  EXPECT_EQ(options.slo_ttft_ms, 500);
  EXPECT_EQ(options.load.seed, 7u);
  EXPECT_EQ(options.table_form, TableForm::kCsv);
  for (const auto& bad : {std::vector<std::string>{"bench", "serve", "--rate", "0"},
                          {"bench", "serve", "--shared-prefix", "2"},
                          {"bench", "serve", "--prompt-words", "many"},
                          {"bench", "serve", "-m", "model.gguf"},
                          {"bench", "--csv", "serve"}}) {
    EXPECT_FALSE(parse_command(bad).ok()) << bad.back();
  }
}

TEST_F(BenchServe, StopsSendingInTime) {
  BenchServeOptions options{.url = server_.url(), .api_key = "sk-test"};
  options.load.seconds = 0.2;
  options.load.users = 2;
  options.table_form = TableForm::kCsv;
  const std::string csv = output_of(options);
  EXPECT_TRUE(csv.starts_with("answered,failed,seconds,")) << csv;
}

TEST_F(BenchServe, ErrorsNameTheServer) {
  Console console(Console::Colours::kNever, STDERR_FILENO, STDERR_FILENO);
  const auto no_key = run_bench_serve({.url = server_.url()}, console);
  EXPECT_EQ(no_key.status().message(),
            "the server does not list its models (status 401: No key.): name one with --model");
  const auto no_server = run_bench_serve({.url = "http://127.0.0.1:1", .model = "m"}, console);
  EXPECT_NE(
      no_server.status().message().find("no request was answered: cannot connect to http://127.0.0.1:1"),
      std::string::npos);
  EXPECT_FALSE(run_bench_serve({.url = "not a url"}, console).ok());
}

}  // namespace
}  // namespace cairn
