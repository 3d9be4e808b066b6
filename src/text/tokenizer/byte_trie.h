// ByteTrie: strings with values, for finding all strings that start at one place of a text.
#pragma once

#include <cstdint>
#include <string_view>

#include "text/tokenizer/flat_table.h"

namespace cairn {

class ByteTrie {
 public:
  // Keeps the value of a string that is already present. The empty string is never found.
  void insert(std::string_view text, int32_t value) {
    uint32_t node = 0;
    for (const char c : text) {
      const uint64_t key = edge(node, c);
      if (const uint32_t* next = edges_.find(key); next != nullptr) {
        node = *next;
      } else {
        edges_.insert(key, ++node_count_);
        node = node_count_;
      }
    }
    if (node != 0) values_.insert(node, value);
  }

  // Calls found(length, value) for each string that `text` starts with, shortest first.
  template <typename Found>
  void for_each_prefix(std::string_view text, Found found) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      const uint32_t* next = edges_.find(edge(node, text[i]));
      if (next == nullptr) return;
      node = *next;
      if (const int32_t* value = values_.find(node); value != nullptr) found(i + 1, *value);
    }
  }

  [[nodiscard]] bool empty() const { return values_.size() == 0; }

 private:
  static uint64_t edge(uint32_t node, char c) {
    return static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(c);
  }

  FlatTable<uint32_t> edges_;
  FlatTable<int32_t> values_;
  uint32_t node_count_ = 0;
};

}  // namespace cairn
