// What a finished or running generation has to say to its client, as plain data: made by the server from the engine's
// results, written by server/openai/reply.h, server/openai/stream.h and Ollama's likewise. Text is valid UTF-8.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/reply/chat_turn.h"

namespace cairn {

// Whose reply this is. Ids and times come from outside, so that writers are pure.
struct AnswerHead {
  std::string id;          // unique; the faces put their prefix before it ("chatcmpl-", "cmpl-", "resp_")
  int64_t created_ns = 0;  // Unix time in nanoseconds
  std::string model;       // as the client is to see it
  // A name of all that determines the bits (model, build, instruction set); empty: left out.
  std::string system_fingerprint = {};
};

enum class AnswerFinish : uint8_t {
  kStop,           // an end token or a stop string. Written as "tool_calls" where the choice has any
  kLength,         // max_tokens, or the context is full; also what a grammar could not close
  kContentFilter,  // none in this server; for completeness
  kDeadline,       // deadline_ms passed; written as "length"
  kCancelled,      // by the server, as it stops; written as "length"
};

struct TopToken {
  std::string bytes;  // of the token, which may be no whole characters
  double logprob = 0;
};
struct TokenLogprob {
  std::string bytes = {};
  std::optional<double> logprob =
      {};                          // absent: nothing comes before it (the first token of an echoed prompt)
  std::vector<TopToken> top = {};  // the likeliest first
};

struct AnswerUsage {
  int64_t prompt_tokens = 0;  // of n choices of one prompt: the prompt once
  int64_t cached_tokens = 0;  // of these: found in the cache
  int64_t completion_tokens = 0;
  int64_t reasoning_tokens = 0;  // of these: in reasoning
};

// Ollama's durations.
struct AnswerTimes {
  int64_t total_ns = 0;
  int64_t load_ns = 0;
  int64_t prompt_ns = 0;
  int64_t generation_ns = 0;
};

struct AnswerChoice {
  std::string text;
  std::string reasoning = {};
  std::vector<ToolCall> tool_calls = {};
  AnswerFinish finish = AnswerFinish::kStop;
  std::vector<TokenLogprob> logprobs = {};  // of the text's tokens; where the call asked for them
};

// What is known at the end, beside the text.
struct AnswerEnd {
  AnswerUsage usage;
  AnswerTimes times = {};
  boost::json::object cairn = {};  // what stands under "cairn" (the cache's explanation); empty: left out
};

struct Answer {
  std::vector<AnswerChoice> choices;  // by index
  AnswerEnd end;
};

// A part of a tool call in a stream. A call's first one has its id and name, later ones more of its arguments; calls
// come one after the other.
struct ToolCallPiece {
  int64_t index = 0;  // of the call within the choice
  std::string id = {};
  std::string name = {};
  std::string arguments = {};
};

// What has become certain of one choice.
struct StreamPiece {
  int64_t choice = 0;
  std::string text = {};
  std::string reasoning = {};
  std::vector<ToolCallPiece> tool_calls = {};
  std::vector<TokenLogprob> logprobs = {};

  [[nodiscard]] bool is_empty() const {
    return text.empty() && reasoning.empty() && tool_calls.empty() && logprobs.empty();
  }
};

}  // namespace cairn
