// Test support: stores to try, names and values to put into them, and what came back.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/redis_store.h"

namespace cairn {

// With patience enough for a busy machine, unless `change` says otherwise.
std::unique_ptr<RedisStore> make_store(std::vector<std::string> urls,
                                       const std::function<void(RedisStoreOptions&)>& change = {});

// Values number 0 to count - 1, under their names.
class TestItems {
 public:
  TestItems(int count, size_t byte_count);
  [[nodiscard]] std::vector<RedisItem> items() const;
  [[nodiscard]] const std::string& name(int number) const { return names_[static_cast<size_t>(number)]; }
  [[nodiscard]] const std::vector<std::byte>& bytes(int number) const {
    return values_[static_cast<size_t>(number)];
  }

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<std::byte>> values_;
};

struct Got {
  RedisTally tally;
  std::vector<std::optional<std::vector<std::byte>>> values;
};
// Fails the test where a name is told twice or never.
Got get_names(RedisStore& store, const std::vector<std::string>& names);
Got get_numbers(RedisStore& store, const std::vector<int>& numbers);

[[nodiscard]] std::string hex_of(std::string_view name);

}  // namespace cairn
