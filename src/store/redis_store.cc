#include "store/redis_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"
#include "base/printable.h"
#include "store/redis_call.h"
#include "store/redis_key.h"
#include "store/redis_lane.h"
#include "store/redis_resolver.h"
#include "store/redis_router.h"

namespace cairn {
namespace {

using std::chrono::steady_clock;
using Kind = RespValue::Kind;

constexpr size_t kIdleLanesMax = 16;
constexpr size_t kValueBytesMax = 512 << 20;    // Redis's own limit
constexpr size_t kReplyBytesMin = 1 << 20;      // room for the map of a Cluster
constexpr std::string_view kScanCount = "512";  // keys that a node looks at for one reply

Status check(const RedisStoreOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_redis_key_prefix(options.key_prefix));
  const auto wrong = [](std::string_view what) {
    return invalid_argument(fmt::format("the remote store's {} is out of range", what));
  };
  if (options.urls.empty()) return invalid_argument("the remote store needs the URL of at least one server");
  if (options.deadline.count() <= 0) return wrong("deadline");
  if (options.connect_deadline.count() <= 0) return wrong("deadline of connections");
  if (options.ttl && options.ttl->count() <= 0) return wrong("time to live");
  if (options.value_bytes_max == 0 || options.value_bytes_max > kValueBytesMax) return wrong("largest value");
  if (options.pipeline_depth == 0) return wrong("number of commands at once");
  if (options.breaker.failure_count < 1 || options.breaker.window.count() <= 0)
    return wrong("circuit breaker");
  if (options.breaker.backoff.count() <= 0 || options.breaker.backoff_max < options.breaker.backoff) {
    return wrong("circuit breaker's pause");
  }
  return {};
}

struct Place {
  std::vector<RedisAddress> seeds;
  RedisLogin login;
};

Result<Place> parse_place(const RedisStoreOptions& options) {
  Place place;
  std::optional<RedisUrl> first;
  for (const std::string& text : options.urls) {
    CAIRN_ASSIGN_OR_RETURN(RedisUrl url, RedisUrl::parse(text));
    if (!first) first = url;
    if (url.is_secure != first->is_secure || url.user != first->user || url.password != first->password ||
        url.database != first->database) {
      return invalid_argument("the URLs of a Cluster's nodes must agree in all but the host");
    }
    place.seeds.push_back(url.address);
  }
  if (place.seeds.size() > 1 && first->database != 0) {
    return invalid_argument("a Cluster has no databases: leave the number behind the host away");
  }
  if (first->is_secure) {
    CAIRN_ASSIGN_OR_RETURN(place.login.tls, make_redis_tls(options.trust, options.certificates));
  }
  place.login.user = first->user;
  place.login.password = first->password;
  place.login.database = first->database;
  place.login.limits.bytes_max = std::max(options.value_bytes_max, kReplyBytesMin);
  place.login.connect_deadline = options.connect_deadline;
  return place;
}

// What stands behind a value in SET.
std::string tail_of_set(const std::optional<std::chrono::milliseconds>& ttl) {
  std::string tail = "\r\n";
  if (!ttl) return tail;
  append_resp_bytes(tail, "PX");
  append_resp_bytes(tail, std::to_string(ttl->count()));
  return tail;
}

}  // namespace

class RedisStore::Impl {
 public:
  Impl(RedisStoreOptions options, Place place)
      : options_(std::move(options)),
        login_(std::make_shared<const RedisLogin>(std::move(place.login))),
        tail_of_set_(tail_of_set(options_.ttl)),
        router_(std::move(place.seeds), options_.breaker,
                options_.clock != nullptr ? *options_.clock : clock_) {}

  RedisTally get(std::span<const std::string_view> names, const OnValue& on_value);
  RedisTally set(std::span<const RedisItem> items);
  RedisTally exists(std::span<const std::string_view> names, std::vector<bool>& found);
  RedisTally erase(std::span<const std::string_view> names);
  Result<uint64_t> erase_all(std::string_view name_start, std::chrono::milliseconds deadline);
  Status ping();
  [[nodiscard]] RedisCounts counts() const;
  [[nodiscard]] State state() const;

 private:
  std::string key(std::string_view name) const;
  std::vector<std::string> keys(std::span<const std::string_view> names) const;

  // Runs `work` with a lane of its own, within the deadline. Where there is no memory it ends early.
  void with_call(std::chrono::milliseconds deadline, const std::function<void(RedisCall&)>& work);
  // What a call without values is: a command for each name, and what a number says of it.
  RedisTally count_each(std::string_view verb, std::span<const std::string_view> names,
                        const std::function<void(size_t index)>& on_one);
  Result<uint64_t> erase_on(RedisCall& call, const RedisAddress& node, const std::string& pattern);
  void add_counts(const RedisCounts& counts);
  std::unique_ptr<RedisLane> take_lane();

  const RedisStoreOptions options_;
  const std::shared_ptr<const RedisLogin> login_;
  const std::string tail_of_set_;
  const SteadyClock clock_;
  RedisRouter router_;
  RedisResolver resolver_;  // outlives the lanes

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<RedisLane>> idle_lanes_;
  RedisCounts counts_;
};

std::string RedisStore::Impl::key(std::string_view name) const {
  CHECK(!name.empty() && name.size() <= kRedisNameBytesMax);
  return redis_key(options_.key_prefix, name);
}

std::vector<std::string> RedisStore::Impl::keys(std::span<const std::string_view> names) const {
  std::vector<std::string> keys;
  keys.reserve(names.size());
  for (const std::string_view name : names) keys.push_back(key(name));
  return keys;
}

void RedisStore::Impl::add_counts(const RedisCounts& counts) {
  const std::lock_guard lock(mutex_);
  add(counts_, counts);
}

// The lane that was used last has the freshest connections.
std::unique_ptr<RedisLane> RedisStore::Impl::take_lane() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_lanes_.empty()) {
      std::unique_ptr<RedisLane> lane = std::move(idle_lanes_.back());
      idle_lanes_.pop_back();
      return lane;
    }
  }
  return std::make_unique<RedisLane>(login_, resolver_, options_.pipeline_depth);
}

void RedisStore::Impl::with_call(std::chrono::milliseconds deadline,
                                 const std::function<void(RedisCall&)>& work) {
  try {
    const auto until = steady_clock::now() + deadline;
    std::unique_ptr<RedisLane> lane = take_lane();
    RedisCall call(*lane, router_, until, options_.connect_deadline);
    work(call);
    add_counts(call.counts());
    const std::lock_guard lock(mutex_);
    if (idle_lanes_.size() < kIdleLanesMax) idle_lanes_.push_back(std::move(lane));
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // No memory, or no socket: what has no answer yet has failed.
  }
}

RedisTally RedisStore::Impl::get(std::span<const std::string_view> names, const OnValue& on_value) {
  RedisTally tally;
  std::vector<bool> is_told;
  with_call(options_.deadline, [&](RedisCall& call) {
    const std::vector<std::string> all = keys(names);
    is_told.resize(names.size());
    const auto tell = [&](size_t index, std::optional<std::vector<std::byte>> bytes) {
      is_told[index] = true;
      ++(bytes ? tally.done : tally.absent);
      on_value(index, std::move(bytes));
    };
    call.run({.keys = all,
              .command =
                  [&](size_t index) {
                    RedisCommand command;
                    append_resp_command(command.head, {"GET", all[index]});
                    return command;
                  },
              .on_reply =
                  [&](size_t index, RespValue&& reply) {
                    if (reply.is(Kind::kNull)) {
                      tell(index, std::nullopt);
                    } else if (reply.is(Kind::kBytes) && reply.bytes.size() <= options_.value_bytes_max) {
                      tell(index, std::move(reply.bytes));
                    }
                    return reply.is(Kind::kNull) || reply.is(Kind::kBytes);
                  }});
  });
  for (size_t index = 0; index < names.size(); ++index) {
    if (index < is_told.size() && is_told[index]) continue;
    ++tally.failed;
    on_value(index, std::nullopt);
  }
  add_counts({.hits = tally.done, .misses = tally.absent, .failures = tally.failed});
  return tally;
}

RedisTally RedisStore::Impl::set(std::span<const RedisItem> items) {
  RedisTally tally;
  uint64_t refused_count = 0;
  with_call(options_.deadline, [&](RedisCall& call) {
    std::vector<std::string> keys;
    std::vector<std::span<const std::byte>> values;
    for (const RedisItem& item : items) {
      if (item.bytes.size() > options_.value_bytes_max) {
        ++refused_count;
        continue;
      }
      keys.push_back(key(item.name));
      values.push_back(item.bytes);
    }
    call.run({.keys = keys,
              .command =
                  [&](size_t index) {
                    RedisCommand command{.head = {}, .payload = values[index], .tail = tail_of_set_};
                    append_resp_count(command.head, options_.ttl ? 5 : 3);
                    append_resp_bytes(command.head, "SET");
                    append_resp_bytes(command.head, keys[index]);
                    append_resp_length(command.head, values[index].size());
                    return command;
                  },
              .on_reply =
                  [&](size_t, RespValue&& reply) {
                    const bool is_stored = reply.is(Kind::kStatus) && reply.text == "OK";
                    if (is_stored) ++tally.done;
                    return is_stored;
                  }});
  });
  tally.failed = items.size() - tally.done;
  add_counts({.stored = tally.done, .failures = tally.failed, .refused_sizes = refused_count});
  return tally;
}

RedisTally RedisStore::Impl::count_each(std::string_view verb, std::span<const std::string_view> names,
                                        const std::function<void(size_t index)>& on_one) {
  RedisTally tally;
  with_call(options_.deadline, [&](RedisCall& call) {
    const std::vector<std::string> all = keys(names);
    call.run({.keys = all,
              .command =
                  [&](size_t index) {
                    RedisCommand command;
                    append_resp_command(command.head, {verb, all[index]});
                    return command;
                  },
              .on_reply =
                  [&](size_t index, RespValue&& reply) {
                    if (!reply.is(Kind::kInteger) || reply.integer < 0 || reply.integer > 1) return false;
                    ++(reply.integer == 1 ? tally.done : tally.absent);
                    if (reply.integer == 1 && on_one) on_one(index);
                    return true;
                  }});
  });
  tally.failed = names.size() - tally.done - tally.absent;
  add_counts({.failures = tally.failed});
  return tally;
}

RedisTally RedisStore::Impl::exists(std::span<const std::string_view> names, std::vector<bool>& found) {
  found.assign(names.size(), false);
  return count_each("EXISTS", names, [&](size_t index) { found[index] = true; });
}

RedisTally RedisStore::Impl::erase(std::span<const std::string_view> names) {
  return count_each("DEL", names, {});
}

// All keys of one node that match, page by page.
Result<uint64_t> RedisStore::Impl::erase_on(RedisCall& call, const RedisAddress& node,
                                            const std::string& pattern) {
  uint64_t erased_count = 0;
  std::string cursor = "0";
  do {
    RespValue page;
    const RedisOutcome outcome = call.ask(node, {"SCAN", cursor, "MATCH", pattern, "COUNT", kScanCount}, page,
                                          std::chrono::steady_clock::now() + options_.deadline);
    if (!outcome.ok()) return not_found(outcome.message);
    if (page.elements.size() != 2 || !page.elements[1].is(Kind::kArray)) {
      return invalid_data(fmt::format("the remote store {} does not list its keys: {}", node.text(),
                                      printable(page.text, 200)));
    }
    cursor = page.elements[0].bytes_text();
    std::vector<std::string> found;
    for (const RespValue& element : page.elements[1].elements) {
      if (element.bytes_text().starts_with(options_.key_prefix)) found.emplace_back(element.bytes_text());
    }
    size_t answered_count = 0;
    call.run({.keys = found,
              .command =
                  [&](size_t index) {
                    RedisCommand command;
                    append_resp_command(command.head, {"DEL", found[index]});
                    return command;
                  },
              .on_reply =
                  [&](size_t, RespValue&& reply) {
                    ++answered_count;
                    erased_count += reply.integer == 1 ? 1 : 0;
                    return reply.is(Kind::kInteger);
                  }});
    if (answered_count < found.size()) {
      return not_found(fmt::format("of what was to be erased, something may be left: {}", call.failure()));
    }
  } while (cursor != "0");
  return erased_count;
}

Result<uint64_t> RedisStore::Impl::erase_all(std::string_view name_start,
                                             std::chrono::milliseconds deadline) {
  Result<uint64_t> erased = resource_exhausted("there is no memory to erase what the remote store has");
  with_call(deadline, [&](RedisCall& call) {
    const std::string pattern = redis_key(options_.key_prefix, name_start) + "*";
    uint64_t erased_count = 0;
    uint64_t moved_before = 0;
    do {  // once more where slots moved meanwhile: a key may have gone to a node that was through
      moved_before = call.counts().moved + call.counts().asked;
      call.find_all_nodes();
      const std::vector<RedisAddress> nodes = router_.nodes();
      if (nodes.empty()) {
        erased = not_found("no node of the remote store's Cluster can be reached: " + call.failure());
        return;
      }
      for (const RedisAddress& node : nodes) {
        const Result<uint64_t> here = erase_on(call, node, pattern);
        if (!here.ok()) {
          erased = here;
          return;
        }
        erased_count += *here;
      }
    } while (call.counts().moved + call.counts().asked != moved_before);
    erased = erased_count;
  });
  return erased;
}

Status RedisStore::Impl::ping() {
  Status status = resource_exhausted("there is no memory to ask the remote store");
  with_call(options_.deadline, [&](RedisCall& call) {
    call.find_all_nodes();
    const std::vector<RedisAddress> nodes = router_.nodes();
    status = nodes.empty()
                 ? not_found("no node of the remote store's Cluster can be reached: " + call.failure())
                 : Status();
    for (const RedisAddress& node : nodes) {
      RespValue reply;
      const RedisOutcome outcome = call.ask(node, {"PING"}, reply, RedisCall::Time::max());
      if (!outcome.ok()) {
        status = not_found(outcome.message);
      } else if (!reply.is(Kind::kStatus)) {
        status = invalid_data(
            fmt::format("the remote store {} says: {}", node.text(), printable(reply.text, 200)));
      }
    }
  });
  return status;
}

RedisCounts RedisStore::Impl::counts() const {
  const std::lock_guard lock(mutex_);
  RedisCounts counts = counts_;
  counts.breaker_opens = router_.breaker_open_count();
  return counts;
}

RedisStore::State RedisStore::Impl::state() const {
  return {.is_cluster = router_.is_cluster(), .nodes = router_.states()};
}

RedisStore::RedisStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RedisStore::~RedisStore() = default;

Result<std::unique_ptr<RedisStore>> RedisStore::create(RedisStoreOptions options) {
  return no_throw([&]() -> Result<std::unique_ptr<RedisStore>> {
    CAIRN_RETURN_IF_ERROR(check(options));
    CAIRN_ASSIGN_OR_RETURN(Place place, parse_place(options));
    return std::unique_ptr<RedisStore>(
        new RedisStore(std::make_unique<Impl>(std::move(options), std::move(place))));
  });
}

RedisTally RedisStore::get(std::span<const std::string_view> names, const OnValue& on_value) {
  return impl_->get(names, on_value);
}
RedisTally RedisStore::set(std::span<const RedisItem> items) { return impl_->set(items); }
RedisTally RedisStore::exists(std::span<const std::string_view> names, std::vector<bool>& found) {
  return impl_->exists(names, found);
}
RedisTally RedisStore::erase(std::span<const std::string_view> names) { return impl_->erase(names); }
Result<uint64_t> RedisStore::erase_all(std::string_view name_start, std::chrono::milliseconds deadline) {
  return impl_->erase_all(name_start, deadline);
}
Status RedisStore::ping() { return impl_->ping(); }
RedisCounts RedisStore::counts() const { return impl_->counts(); }
RedisStore::State RedisStore::state() const { return impl_->state(); }

}  // namespace cairn
