// KvPlan: which codec each layer's keys and values are stored with, and how much of the past stays visible. One
// grammar for the command line, the API and files.
//
//   plan      = rule { ";" rule }              a later rule overrides an earlier one wholly
//   rule      = [ selector ":" ] what          without a selector: all layers
//   selector  = "all" | "rest" | ("layer" | "layers") range { "," range }
//   range     = layer | layer "-" layer        both ends are included
//   layer     = N | "-" N                      from 0; -1 is the last layer
//   what      = codecs [ "," retention ]       without a retention, all positions stay visible
//             | retention                      without codecs: f16
//   codecs    = codec | "k=" codec "," "v=" codec
//   codec     = format { ":" word }
//   word      = "token" | "channel"            the axis, of integer formats only; one of them
//             | "hadamard"                     rotated; heads of a power of two of elements
//   retention = window [ "," sinks ] | sinks "," window
//   window    = "window=" N                    the last N positions, a query's own included
//   sinks     = "sinks=" S                     and before them the first S, at most 256
//   format    = "f32" | "f16" | "bf16" | "fp8" | "fp8_e4m3" | "fp8_e5m2"
//             | "int8" | "int4" | "int3" | "int2"
//
//   int8      k=int4:channel,v=int4:token      layers 0-3: f16; rest: k=int4:channel,v=int4:token
//   window=1024                                layers 0-11: f16,sinks=4,window=1024; rest: int8
//
// The rest are all layers that no range of the plan names. Between any two words there may be spaces.
// An integer format without words is the most exact codec of its bytes for the model's heads (kv_best_codec):
// by channel, and rotated where heads can be. With "hadamard" alone the axis is channel. fp8 is fp8_e4m3.
// As JSON (a file's content): a string of this grammar, {"plan": "..."} (the same string, or a list), or a
// list of rules as objects; "layers": "all", "rest", ranges, or a number; without it: all. "sinks" and "window" are
// numbers.
//   [{"layers": "0-3", "codec": "f16"}, {"layers": "rest", "k": "int4:channel", "v": "int4:token"}]
//   [{"layers": "0-11", "codec": "f16", "sinks": 4, "window": 1024}, {"layers": "rest", "window": 4096}]
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/status.h"
#include "kernels/codecs/kv_codec.h"
#include "kernels/visibility.h"

namespace cairn {

struct KvLayerCodecs {
  KvCodec keys;
  KvCodec values;
  friend bool operator==(const KvLayerCodecs&, const KvLayerCodecs&) = default;
};

// What a plan says of one layer.
struct KvLayerPlan : KvLayerCodecs {
  Visibility retention;  // what of the past stays visible; a model's own window may be narrower
  friend bool operator==(const KvLayerPlan&, const KvLayerPlan&) = default;
};

class KvPlan {
 public:
  // f16 in all layers.
  KvPlan() : KvPlan(KvLayerCodecs{}) {}
  // The same in all layers.
  explicit KvPlan(const KvLayerCodecs& codecs);
  // What the format's name alone means: the most exact codec of its bytes, for keys and values of all layers.
  explicit KvPlan(KvFormat format);

  // Errors: kInvalidArgument, with the place, what stands there and what may stand there instead; of
  // parse_json, for text that is not JSON, with the line.
  static Result<KvPlan> parse(std::string_view text);
  static Result<KvPlan> parse_json(std::string_view json);
  // Either: as JSON what begins as JSON does.
  static Result<KvPlan> parse_text_or_json(std::string_view text);

  // Of each layer, its codecs and retention: what the cache stores and names blocks by. Errors: kInvalidArgument
  // for a rule about layers that do not exist, for layers that no rule names, and for a rotation where head_dim is
  // not a power of two.
  [[nodiscard]] Result<std::vector<KvLayerPlan>> resolve(int64_t layer_count, int64_t head_dim) const;
  // The same plan but for one thing, in all its rules: the codecs are those of a plan of one codec; what stays visible is
  // this; nothing stays visible before a window.
  [[nodiscard]] KvPlan with_codecs(const KvPlan& of_one_codec) const;
  [[nodiscard]] KvPlan with_retention(const Visibility& retention) const;
  [[nodiscard]] KvPlan without_sinks() const;
  // In the grammar's shortest form; parse(text()) is the same plan.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const KvPlan&, const KvPlan&) = default;

 private:
  struct Range {
    int64_t first = 0;  // negative: from the end
    int64_t last = 0;
    friend bool operator==(const Range&, const Range&) = default;
  };
  enum class Selector : uint8_t { kAll, kRest, kRanges };
  // A codec, or an integer format whose best codec depends on the model's heads.
  using Choice = std::variant<KvCodec, KvFormat>;
  struct Choices {
    Choice keys;
    Choice values;
    friend bool operator==(const Choices&, const Choices&) = default;
  };
  struct Rule {
    Selector selector = Selector::kAll;
    std::vector<Range> ranges;
    Choices codecs;
    Visibility retention;
    friend bool operator==(const Rule&, const Rule&) = default;
  };
  class Parser;
  class JsonReader;

  // Of rules that say the same of all layers, one remains.
  void merge_rules();
  [[nodiscard]] static Choice choice_of(KvFormat format);
  [[nodiscard]] static std::string choice_text(const Choice& choice);
  [[nodiscard]] static std::string choices_text(const Choices& choices);
  [[nodiscard]] static std::string what_text(const Rule& rule);
  static Result<KvCodec> resolve_choice(const Choice& choice, int64_t head_dim);
  [[nodiscard]] static std::string selector_text(const Rule& rule);
  static Result<Range> resolve_range(const Range& range, int64_t layer_count);

  std::vector<Rule> rules_;
};

// "int4:channel:hadamard": a codec in the grammar's words, the axis always said where there is one.
[[nodiscard]] std::string kv_codec_name(const KvCodec& codec);

}  // namespace cairn
