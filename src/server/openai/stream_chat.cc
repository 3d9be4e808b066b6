// Streams of /v1/chat/completions and /v1/completions: events of one chunk each, which differ in what a choice looks like.
#include <fmt/format.h>

#include <vector>

#include "server/openai/reply_parts.h"
#include "server/openai/stream_faces.h"

namespace cairn {
namespace {

// What both have: chunks that begin and end alike.
class ChunkStream : public StreamWriter {
 public:
  ChunkStream(const TextCall& call, const AnswerHead& head, std::string_view id_prefix,
              std::string_view object)
      : has_logprobs_(call.logprobs.has_value()),
        include_usage_(call.include_usage),
        made_(static_cast<size_t>(call.choice_count()), ToolCallsMade::kNone) {
    JsonWriter json(start_);
    start_ = "data: ";
    json.open('{').text("id", fmt::format("{}{}", id_prefix, head.id)).text("object", object);
    json.integer("created", created_seconds(head)).text("model", head.model);
    put_fingerprint(json, head);
    json.key("choices").open('[');
  }

  std::string end(const AnswerEnd& end) override {
    std::string out;
    if (include_usage_ || !end.cairn.empty()) {
      out = start_;
      JsonWriter json(out);
      json.close(']');
      put_usage(json, end.usage);
      put_cairn(json, end);
      json.close('}');
      out += "\n\n";
    }
    return out + "data: [DONE]\n\n";
  }

  std::string error(const ApiError& error) override {
    return "data: " + error_body(error) + "\n\ndata: [DONE]\n\n";
  }

 protected:
  // Room for a chunk with `text_bytes` of text, begun.
  [[nodiscard]] std::string begin_chunk(size_t text_bytes) const {
    constexpr size_t kAround = 192;  // what a chunk has around its text
    std::string out;
    out.reserve(start_.size() + text_bytes + text_bytes / 8 + kAround);
    out = start_;
    return out;
  }
  void end_chunk(std::string& out) const { out += include_usage_ ? "],\"usage\":null}\n\n" : "]}\n\n"; }
  [[nodiscard]] bool has_logprobs() const { return has_logprobs_; }
  // Of a choice that the call has; pieces of others are a mistake of who made them, and are written all the same.
  [[nodiscard]] ToolCallsMade made(int64_t choice) const {
    return static_cast<size_t>(choice) < made_.size() ? made_[static_cast<size_t>(choice)]
                                                      : ToolCallsMade::kNone;
  }
  void set_made(int64_t choice) {
    if (static_cast<size_t>(choice) < made_.size()) made_[static_cast<size_t>(choice)] = ToolCallsMade::kSome;
  }
  [[nodiscard]] int64_t choice_count() const { return static_cast<int64_t>(made_.size()); }

 private:
  std::string start_;  // of each chunk: data: {"id":...,"choices":[
  bool has_logprobs_;
  bool include_usage_;
  std::vector<ToolCallsMade> made_;
};

void put_call_piece(JsonWriter& json, const ToolCallPiece& call) {
  json.open('{').integer("index", call.index);
  if (!call.id.empty()) json.text("id", call.id).text("type", "function");
  json.key("function").open('{');
  if (!call.name.empty()) json.text("name", call.name);
  json.text("arguments", call.arguments).close('}').close('}');
}

class ChatStream final : public ChunkStream {
 public:
  ChatStream(const TextCall& call, const AnswerHead& head)
      : ChunkStream(call, head, "chatcmpl-", "chat.completion.chunk") {}

  std::string begin() override {
    std::string all;
    for (int64_t choice = 0; choice < choice_count(); ++choice) {
      std::string out = begin_chunk(0);
      JsonWriter json(out);
      json.open('{').integer("index", choice).key("delta").open('{');
      json.text("role", "assistant").text("content", "").close('}');
      end_choice(out, json, {});
      all += out;
    }
    return all;
  }

  std::string piece(const StreamPiece& piece) override {
    if (piece.is_empty()) return {};
    if (!piece.tool_calls.empty()) set_made(piece.choice);
    std::string out = begin_chunk(piece.text.size() + piece.reasoning.size());
    JsonWriter json(out);
    json.open('{').integer("index", piece.choice).key("delta").open('{');
    if (!piece.reasoning.empty()) json.text("reasoning_content", piece.reasoning);
    const bool is_bare =
        piece.reasoning.empty() && piece.tool_calls.empty();  // logprobs come with some content
    if (!piece.text.empty() || is_bare) json.text("content", piece.text);
    if (!piece.tool_calls.empty()) {
      json.key("tool_calls").open('[');
      for (const ToolCallPiece& call : piece.tool_calls) put_call_piece(json, call);
      json.close(']');
    }
    json.close('}');
    end_choice(out, json, piece.logprobs);
    return out;
  }

  std::string finish(int64_t choice, AnswerFinish finish) override {
    std::string out = begin_chunk(0);
    JsonWriter json(out);
    json.open('{').integer("index", choice).key("delta").open('{').close('}').key("logprobs").null();
    json.text("finish_reason", finish_word(finish, made(choice))).close('}');
    end_chunk(out);
    return out;
  }

 private:
  void end_choice(std::string& out, JsonWriter& json, std::span<const TokenLogprob> logprobs) const {
    json.key("logprobs");
    if (has_logprobs() && !logprobs.empty()) {
      json.open('{').key("content");
      put_token_logprobs(json, logprobs);
      json.key("refusal").null().close('}');
    } else {
      json.null();
    }
    json.key("finish_reason").null().close('}');
    end_chunk(out);
  }
};

class CompletionsStream final : public ChunkStream {
 public:
  CompletionsStream(const TextCall& call, const AnswerHead& head)
      : ChunkStream(call, head, "cmpl-", "text_completion"),
        offsets_(static_cast<size_t>(call.choice_count())) {}

  std::string begin() override { return {}; }

  std::string piece(const StreamPiece& piece) override {
    if (piece.text.empty() && piece.logprobs.empty()) return {};
    std::string out = begin_chunk(piece.text.size());
    JsonWriter json(out);
    json.open('{').text("text", piece.text).integer("index", piece.choice).key("logprobs");
    if (has_logprobs() && !piece.logprobs.empty() && static_cast<size_t>(piece.choice) < offsets_.size()) {
      put_completion_logprobs(json, piece.logprobs, offsets_[static_cast<size_t>(piece.choice)]);
    } else {
      json.null();
    }
    json.key("finish_reason").null().close('}');
    end_chunk(out);
    return out;
  }

  std::string finish(int64_t choice, AnswerFinish finish) override {
    std::string out = begin_chunk(0);
    JsonWriter json(out);
    json.open('{').text("text", "").integer("index", choice).key("logprobs").null();
    json.text("finish_reason", finish_word(finish, ToolCallsMade::kNone)).close('}');
    end_chunk(out);
    return out;
  }

 private:
  std::vector<int64_t> offsets_;  // by choice: characters of the tokens that were written
};

}  // namespace

std::unique_ptr<StreamWriter> make_chat_stream(const TextCall& call, const AnswerHead& head) {
  return std::make_unique<ChatStream>(call, head);
}

std::unique_ptr<StreamWriter> make_completions_stream(const TextCall& call, const AnswerHead& head) {
  return std::make_unique<CompletionsStream>(call, head);
}

}  // namespace cairn
