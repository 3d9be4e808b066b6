// The stream of /v1/responses: named events that open, fill and close one output item after the other.
#include <fmt/format.h>

#include <optional>

#include "server/openai/reply_parts.h"
#include "server/openai/response_object.h"
#include "server/openai/stream_faces.h"

namespace cairn {
namespace {

enum class ItemKind : uint8_t { kReasoning, kMessage, kCall };

// The item that is open, as far as it has come.
struct OpenItem {
  ItemKind kind = ItemKind::kMessage;
  int64_t index = 0;  // in the output
  std::string id = {};
  std::string text = {};      // of reasoning and messages
  std::string logprobs = {};  // of a message: entries of a JSON list, with commas
  int64_t call_index = 0;     // of a call, within the choice
  ToolCall call = {};
};

class ResponsesStream final : public StreamWriter {
 public:
  ResponsesStream(const TextCall& call, AnswerHead head) : call_(call), head_(std::move(head)) {
    // Not repeated in the reply, and long.
    call_.messages.clear();
    call_.prompts.clear();
  }

  std::string begin() override {
    std::string out;
    put_state(out, "response.created", {});
    put_state(out, "response.in_progress", {});
    return out;
  }

  std::string piece(const StreamPiece& piece) override {
    std::string out;
    if (!piece.reasoning.empty()) add_reasoning(out, piece.reasoning);
    if (!piece.text.empty() || !piece.logprobs.empty()) add_text(out, piece);
    for (const ToolCallPiece& call : piece.tool_calls) add_call(out, call);
    return out;
  }

  std::string finish(int64_t /*choice*/, AnswerFinish finish) override {
    std::string out;
    progress_ = progress_of(finish);
    if (!item_.has_value() && item_count_ == 0) open_item(out, ItemKind::kMessage, {});
    close_item(out, progress_);
    return out;
  }

  std::string end(const AnswerEnd& end) override {
    std::string out;
    const bool is_complete = progress_ == ResponseProgress::kCompleted;
    const std::string output = output_list();
    put_state(out, is_complete ? "response.completed" : "response.incomplete",
              {.progress = progress_, .output = output, .end = &end});
    return out;
  }

  std::string error(const ApiError& error) override {
    std::string out;
    close_item(out, ResponseProgress::kIncomplete);
    const std::string output = output_list();
    put_state(out, "response.failed",
              {.progress = ResponseProgress::kFailed, .output = output, .error = &error});
    return out;
  }

 private:
  // Begins an event; `end_event` ends it.
  JsonWriter begin_event(std::string& out, std::string_view type) {
    fmt::format_to(std::back_inserter(out), "event: {}\ndata: ", type);
    JsonWriter json(out);
    json.open('{').text("type", type).integer("sequence_number", sequence_number_++);
    return json;
  }
  static void end_event(std::string& out, JsonWriter& json) {
    json.close('}');
    out += "\n\n";
  }
  // One about a part of the open item.
  JsonWriter begin_part_event(std::string& out, std::string_view type) {
    JsonWriter json = begin_event(out, type);
    json.text("item_id", item_->id).integer("output_index", item_->index);
    if (item_->kind != ItemKind::kCall) json.integer("content_index", 0);
    return json;
  }

  void put_state(std::string& out, std::string_view type, const ResponseState& state) {
    JsonWriter json = begin_event(out, type);
    json.key("response");
    put_response(json, call_, head_, state);
    end_event(out, json);
  }

  [[nodiscard]] std::string output_list() const { return "[" + output_ + "]"; }

  [[nodiscard]] bool is_open(ItemKind kind) const { return item_.has_value() && item_->kind == kind; }

  void put_item(JsonWriter& json, ResponseProgress progress) const {
    switch (item_->kind) {
      case ItemKind::kReasoning: put_reasoning_item(json, item_->id, item_->text, progress); break;
      case ItemKind::kMessage:
        put_message_item(json, item_->id, item_->text, "[" + item_->logprobs + "]", progress);
        break;
      case ItemKind::kCall: put_call_item(json, item_->id, item_->call, progress); break;
    }
  }

  void put_part(JsonWriter& json) const {
    json.key("part");
    if (item_->kind == ItemKind::kReasoning) {
      put_reasoning_part(json, item_->text);
    } else {
      put_text_part(json, item_->text, "[" + item_->logprobs + "]");
    }
  }

  void open_item(std::string& out, ItemKind kind, const ToolCallPiece& call) {
    close_item(out, ResponseProgress::kCompleted);
    constexpr std::string_view kIds[] = {"rs", "msg", "fc"};
    item_.emplace();
    item_->kind = kind;
    item_->index = item_count_++;
    item_->id = item_id(kIds[static_cast<size_t>(kind)], head_, item_->index);
    item_->call_index = call.index;
    item_->call = {call.id, call.name, {}};
    JsonWriter json = begin_event(out, "response.output_item.added");
    json.integer("output_index", item_->index).key("item");
    put_item(json, ResponseProgress::kInProgress);
    end_event(out, json);
    if (kind == ItemKind::kCall) return;
    JsonWriter part = begin_part_event(out, "response.content_part.added");
    put_part(part);
    end_event(out, part);
  }

  void close_item(std::string& out, ResponseProgress progress) {
    if (!item_.has_value()) return;
    close_parts(out);
    std::string written;
    JsonWriter item(written);
    put_item(item, progress);
    JsonWriter json = begin_event(out, "response.output_item.done");
    json.integer("output_index", item_->index).key("item").raw(written);
    end_event(out, json);
    if (!output_.empty()) output_.push_back(',');
    output_ += written;
    item_.reset();
  }

  void close_parts(std::string& out) {
    if (item_->kind == ItemKind::kCall) {
      JsonWriter json = begin_part_event(out, "response.function_call_arguments.done");
      json.text("name", item_->call.name).text("arguments", item_->call.arguments);
      end_event(out, json);
      return;
    }
    const bool is_message = item_->kind == ItemKind::kMessage;
    JsonWriter json =
        begin_part_event(out, is_message ? "response.output_text.done" : "response.reasoning_text.done");
    json.text("text", item_->text);
    if (is_message) json.key("logprobs").raw("[" + item_->logprobs + "]");
    end_event(out, json);
    JsonWriter part = begin_part_event(out, "response.content_part.done");
    put_part(part);
    end_event(out, part);
  }

  void add_reasoning(std::string& out, std::string_view text) {
    if (!is_open(ItemKind::kReasoning)) open_item(out, ItemKind::kReasoning, {});
    item_->text += text;
    JsonWriter json = begin_part_event(out, "response.reasoning_text.delta");
    json.text("delta", text);
    end_event(out, json);
  }

  void add_text(std::string& out, const StreamPiece& piece) {
    // Logprobs alone, of tokens that are no text yet, open nothing: reasoning and calls have none.
    if (piece.text.empty() && !is_open(ItemKind::kMessage)) return;
    if (!is_open(ItemKind::kMessage)) open_item(out, ItemKind::kMessage, {});
    item_->text += piece.text;
    std::string logprobs;
    JsonWriter entries(logprobs);
    for (const TokenLogprob& logprob : piece.logprobs) put_token_logprob(entries, logprob);
    if (!logprobs.empty() && !item_->logprobs.empty()) item_->logprobs.push_back(',');
    item_->logprobs += logprobs;
    JsonWriter json = begin_part_event(out, "response.output_text.delta");
    json.text("delta", piece.text).key("logprobs").raw("[" + logprobs + "]");
    end_event(out, json);
  }

  void add_call(std::string& out, const ToolCallPiece& call) {
    if (!is_open(ItemKind::kCall) || item_->call_index != call.index) open_item(out, ItemKind::kCall, call);
    if (call.arguments.empty()) return;
    item_->call.arguments += call.arguments;
    JsonWriter json = begin_part_event(out, "response.function_call_arguments.delta");
    json.text("delta", call.arguments);
    end_event(out, json);
  }

  TextCall call_;
  AnswerHead head_;
  int64_t sequence_number_ = 0;
  int64_t item_count_ = 0;
  std::optional<OpenItem> item_;
  std::string output_;  // the items that are done, with commas
  ResponseProgress progress_ = ResponseProgress::kCompleted;
};

}  // namespace

std::unique_ptr<StreamWriter> make_responses_stream(const TextCall& call, AnswerHead head) {
  return std::make_unique<ResponsesStream>(call, std::move(head));
}

}  // namespace cairn
