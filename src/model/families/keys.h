// GgufKeys and HfKeys: settings read from a model file, each checked against a range before use. A reader
// remembers its first error and returns the lower bound from then on, so that a family reads all of its
// settings in plain lines and checks `status()` once; every returned value lies inside the given range. For
// the families only.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "files/gguf.h"

namespace cairn {

// No real model comes near these; a file that exceeds one is damaged or hostile.
struct ConfigLimits {
  static constexpr int64_t kLayers = 1024;
  static constexpr int64_t kModelDim = 1 << 17;
  static constexpr int64_t kHeads = 4096;
  static constexpr int64_t kHeadDim = 512;
  static constexpr int64_t kFfnDim = 1 << 21;
  static constexpr int64_t kVocab = 1 << 24;
  static constexpr int64_t kContext = 1 << 30;
  static constexpr double kRopeBase = 1e12;
  static constexpr double kRopeFactor = 1e4;
};

class GgufKeys {
 public:
  // `architecture` goes before each key: "block_count" reads "llama.block_count".
  GgufKeys(const GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  int64_t count(std::string_view key, int64_t low, int64_t high);  // required
  int64_t count_or(std::string_view key, int64_t fallback, int64_t low, int64_t high);
  // A number, or an array of one number for each layer; layers that differ are refused.
  std::optional<int64_t> find_count_of_layers(std::string_view key, int64_t low, int64_t high);
  // An array of integers or bools; nullopt also where the key holds something else.
  [[nodiscard]] std::optional<std::vector<int64_t>> find_list(std::string_view key) const;
  double real(std::string_view key, double low, double high);
  double real_or(std::string_view key, double fallback, double low, double high);
  std::string text_or(std::string_view key, std::string_view fallback);
  std::optional<bool> find_flag(std::string_view key);
  [[nodiscard]] bool has(std::string_view key) const { return file_.has(prefix_ + std::string(key)); }

  [[nodiscard]] std::string full_name(std::string_view key) const { return prefix_ + std::string(key); }
  void fail(Status status);  // remembered if it is the first
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  const GgufFile& file_;
  std::string prefix_;
  Status status_;
};

// A key whose value is null counts as absent, as in Python's transformers.
class HfKeys {
 public:
  // `place` names the object in errors: "config.json", "config.json: rope_scaling".
  HfKeys(const boost::json::object& object, std::string place) : object_(object), place_(std::move(place)) {}

  int64_t count(std::string_view key, int64_t low, int64_t high);  // required
  int64_t count_or(std::string_view key, int64_t fallback, int64_t low, int64_t high);
  std::optional<int64_t> find_count(std::string_view key, int64_t low, int64_t high);
  double real(std::string_view key, double low, double high);
  double real_or(std::string_view key, double fallback, double low, double high);
  std::optional<double> find_real(std::string_view key, double low, double high);
  std::string text_or(std::string_view key, std::string_view fallback);
  std::optional<bool> find_flag(std::string_view key);
  bool flag_or(std::string_view key, bool fallback) { return find_flag(key).value_or(fallback); }
  [[nodiscard]] const boost::json::value* find(std::string_view key) const;  // nullptr if absent or null
  const boost::json::object* find_object(std::string_view key);

  [[nodiscard]] std::string full_name(std::string_view key) const { return place_ + ": " + std::string(key); }
  void fail(Status status);
  // A key that only some files can do without: where others are missing and this one too, it is named with them.
  void miss_too(std::string_view key);
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  void miss(std::string_view key);  // all that are missing are named at once

  const boost::json::object& object_;
  std::string place_;
  std::vector<std::string> missing_;
  Status status_;
};

}  // namespace cairn
