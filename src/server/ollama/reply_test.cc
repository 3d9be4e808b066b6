#include "server/ollama/reply.h"

#include <gtest/gtest.h>

#include "server/ollama/utc_time.h"

namespace cairn {
namespace {

constexpr int64_t kCreated = 1'700'000'000'123'000'000;
AnswerHead head() { return {.id = "7", .created_ns = kCreated, .model = "demo"}; }
AnswerEnd some_end() {
  return {.usage = {.prompt_tokens = 10, .cached_tokens = 8, .completion_tokens = 3},
          .times = {.total_ns = 1'000'000'000, .load_ns = 1, .prompt_ns = 2, .generation_ns = 3}};
}
constexpr std::string_view kEnd =
    R"("done":true,"done_reason":"stop","total_duration":1000000000,"load_duration":1,"prompt_eval_count":10,)"
    R"("prompt_eval_duration":2,"eval_count":3,"eval_duration":3})";
constexpr std::string_view kStart = R"({"model":"demo","created_at":"2023-11-14T22:13:20.123000000Z",)";
constexpr std::string_view kLater = R"({"model":"demo","created_at":"2023-11-14T22:13:21.123000000Z",)";

std::string line(std::string_view start, std::string_view middle, std::string_view end = R"("done":false})") {
  return std::string(start) + std::string(middle) + "," + std::string(end) + "\n";
}

TEST(UtcTime, IsRfc3339) {
  EXPECT_EQ(utc_time(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(utc_time(951'827'696'000'000'001), "2000-02-29T12:34:56.000000001Z");
  EXPECT_EQ(utc_time(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(OllamaReply, ChatAndGenerate) {
  const Answer answer = {.choices = {{.text = "Hi", .reasoning = "Hm"}}, .end = some_end()};
  EXPECT_EQ(write_ollama_answer({.face = ApiFace::kOllamaChat}, head(), answer) + "\n",
            line(kLater, R"("message":{"role":"assistant","content":"Hi","thinking":"Hm"})", kEnd));
  EXPECT_EQ(write_ollama_answer({.face = ApiFace::kOllamaGenerate}, head(), answer) + "\n",
            line(kLater, R"("response":"Hi","thinking":"Hm")", kEnd));
}

TEST(OllamaReply, ArgumentsAreObjects) {
  const Answer answer = {
      .choices = {{.text = "", .tool_calls = {{"c1", "f", R"({"a":[1]})"}, {"", "g", ""}, {"", "h", "x{"}}}},
      .end = some_end()};
  EXPECT_EQ(write_ollama_answer({.face = ApiFace::kOllamaChat}, head(), answer) + "\n",
            line(kLater,
                 R"("message":{"role":"assistant","content":"","tool_calls":[)"
                 R"({"id":"c1","function":{"index":0,"name":"f","arguments":{"a":[1]}}},)"
                 R"({"function":{"index":1,"name":"g","arguments":{}}},)"
                 R"({"function":{"index":2,"name":"h","arguments":{"arguments":"x{"}}}]})",
                 kEnd));
}

TEST(OllamaStream, ALineForEachPiece) {
  const auto stream = make_ollama_stream({.face = ApiFace::kOllamaChat}, head());
  EXPECT_EQ(stream->begin(), "");
  EXPECT_EQ(stream->piece({.reasoning = "Hm"}),
            line(kStart, R"("message":{"role":"assistant","content":"","thinking":"Hm"})"));
  EXPECT_EQ(stream->piece({.text = "H\ni"}),
            line(kStart, R"("message":{"role":"assistant","content":"H\ni"})"));
  EXPECT_EQ(stream->piece({}), "");
  EXPECT_EQ(stream->finish(0, AnswerFinish::kStop), "");
  EXPECT_EQ(stream->end(some_end()), line(kLater, R"("message":{"role":"assistant","content":""})", kEnd));
}

TEST(OllamaStream, CallsComeWhole) {
  const auto stream = make_ollama_stream({.face = ApiFace::kOllamaChat}, head());
  EXPECT_EQ(stream->piece({.tool_calls = {{.index = 0, .id = "c", .name = "f", .arguments = "{\"a\""}}}), "");
  const std::string first = stream->piece(
      {.tool_calls = {{.index = 0, .arguments = ":1}"}, {.index = 1, .name = "g", .arguments = "{}"}}});
  EXPECT_EQ(
      first,
      line(
          kStart,
          R"("message":{"role":"assistant","content":"","tool_calls":[{"id":"c","function":{"index":0,"name":"f","arguments":{"a":1}}}]})"));
  EXPECT_EQ(
      stream->finish(0, AnswerFinish::kStop),
      line(
          kStart,
          R"("message":{"role":"assistant","content":"","tool_calls":[{"function":{"index":1,"name":"g","arguments":{}}}]})"));
}

TEST(OllamaStream, GenerateEndsWithItsReason) {
  const auto stream = make_ollama_stream({.face = ApiFace::kOllamaGenerate}, head());
  EXPECT_EQ(stream->piece({.text = "Hi"}), line(kStart, R"("response":"Hi")"));
  static_cast<void>(stream->finish(0, AnswerFinish::kLength));
  EXPECT_NE(stream->end({}).find(R"("response":"","done":true,"done_reason":"length")"), std::string::npos);
  EXPECT_EQ(stream->error(server_error("it \"broke\"")), "{\"error\":\"it \\\"broke\\\"\"}\n");
}

TEST(OllamaLoad, SaysSo) {
  EXPECT_EQ(
      ollama_load_body({.face = ApiFace::kOllamaChat}, head()),
      line(kStart, R"("message":{"role":"assistant","content":""})", R"("done":true,"done_reason":"load"})"));
  EXPECT_EQ(ollama_load_body({.face = ApiFace::kOllamaGenerate}, head()),
            line(kStart, R"("response":"")", R"("done":true,"done_reason":"load"})"));
}

TEST(OllamaModels, Lists) {
  const OllamaModel models[] = {{.name = "demo",
                                 .bytes = 5,
                                 .digest = "ab",
                                 .family = "llama",
                                 .parameter_size = "1M",
                                 .quantization_level = "F32",
                                 .context_length = 64}};
  const std::string names =
      R"({"name":"demo:latest","model":"demo:latest","size":5,"digest":"ab","details":{"parent_model":"","format":"gguf",)"
      R"("family":"llama","families":["llama"],"parameter_size":"1M","quantization_level":"F32"})";
  EXPECT_EQ(ollama_tags_body(models),
            R"({"models":[)" + names + R"(,"modified_at":"1970-01-01T00:00:00.000000000Z"}]})");
  EXPECT_EQ(ollama_ps_body(models),
            R"({"models":[)" + names +
                R"(,"expires_at":"9999-12-31T23:59:59Z","size_vram":0,"context_length":64}]})");
  EXPECT_EQ(ollama_tags_body({}), R"({"models":[]})");
  EXPECT_EQ(
      ollama_show_body(models[0], "{{ x }}", {{"general.architecture", "llama"}}, {"completion", "tools"}),
      R"({"modelfile":"","parameters":"","template":"{{ x }}","details":{"parent_model":"","format":"gguf","family":"llama",)"
      R"("families":["llama"],"parameter_size":"1M","quantization_level":"F32"},"model_info":{"general.architecture":"llama"},)"
      R"("capabilities":["completion","tools"],"modified_at":"1970-01-01T00:00:00.000000000Z"})");
  EXPECT_EQ(ollama_version_body("0.1.0"), R"({"version":"0.1.0"})");
}

}  // namespace
}  // namespace cairn
