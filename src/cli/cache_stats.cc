// cairn cache stats: how much is kept, of whom and of which models; how a remote store fares.
#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "base/printable.h"
#include "cli/cache.h"
#include "cli/cache_places.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "engine/identity_words.h"

namespace cairn {
namespace {

struct Share {
  uint64_t block_count = 0;
  uint64_t bytes = 0;
  uint64_t pinned_count = 0;

  void add(const KeptBlock& block) {
    ++block_count;
    bytes += block.bytes;
    pinned_count += block.is_pinned ? 1 : 0;
  }
};

struct DiskStats {
  DiskStoreCounts counts;
  std::string io;
  uint64_t bad_count = 0;
  uint64_t other_version_count = 0;
  std::map<OwnerTag, Share> by_owner;
  std::map<std::string, Share> by_identity;
};

DiskStats stats_of(const DiskStore& store, const BlockCatalogue& catalogue) {
  DiskStats stats{.counts = store.counts(),
                  .io = store.describe_io(),
                  .bad_count = catalogue.bad_count(),
                  .other_version_count = catalogue.foreign_count(),
                  .by_owner = {},
                  .by_identity = {}};
  for (const KeptBlock& block : catalogue.blocks()) {
    stats.by_owner[block.owner].add(block);
    stats.by_identity[catalogue.identities()[block.identity]].add(block);
  }
  return stats;
}

void add_share(std::vector<std::string> cells, const Share& share, Table& table) {
  cells.insert(cells.end(),
               {grouped(share.block_count), human_bytes(share.bytes), grouped(share.pinned_count)});
  table.add_row(std::move(cells));
}

void write_text(const DiskStats& stats, const std::map<OwnerTag, std::string>& names, Console& console) {
  const DiskStoreCounts& counts = stats.counts;
  Table facts({{"what"}, {"value", Align::kRight}});
  facts.add_row({"blocks", grouped(counts.record_count)});
  facts.add_row({"of them pinned", grouped(counts.pinned_count)});
  facts.add_row({"size of the blocks", human_bytes(counts.live_bytes)});
  facts.add_row({"size of the files", human_bytes(counts.disk_bytes)});
  facts.add_row({"segment files", grouped(counts.segment_count)});
  facts.add_row({"files that are not Cairn's", grouped(counts.foreign_count)});
  facts.add_row({"read and written by", stats.io});
  console.write(facts.aligned());
  const Align right = Align::kRight;
  Table owners({{"owner"}, {"tag"}, {"blocks", right}, {"size", right}, {"pinned", right}});
  for (const auto& [owner, share] : stats.by_owner) {
    const bool is_nobodys = owner == OwnerTag{};
    const auto name = names.find(owner);
    add_share({is_nobodys            ? "nobody"
               : name == names.end() ? "?"
                                     : name->second,
               is_nobodys ? "-" : owner_digits(owner)},
              share, owners);
  }
  if (owners.row_count() > 0) console.write("\n" + owners.aligned());
  Table models(
      {{"family"}, {"model"}, {"kv"}, {"arithmetic"}, {"blocks", right}, {"size", right}, {"pinned", right}});
  for (const auto& [identity, share] : stats.by_identity) {
    const IdentityWords words = identity_words(identity);
    add_share({words.family, words.model.substr(0, 12), words.kv, words.arithmetic}, share, models);
  }
  if (models.row_count() > 0) console.write("\n" + models.aligned());
}

boost::json::object json_share(const Share& share) {
  return {{"blocks", share.block_count}, {"bytes", share.bytes}, {"pinned", share.pinned_count}};
}

std::string json_of(const DiskStats& stats, const std::map<OwnerTag, std::string>& names) {
  boost::json::array owners, models;
  for (const auto& [owner, share] : stats.by_owner) {
    boost::json::object object = json_share(share);
    const auto name = names.find(owner);
    object["owner"] = owner == OwnerTag{} ? boost::json::value() : boost::json::value(owner_digits(owner));
    object["tenant"] = name == names.end() ? boost::json::value() : boost::json::value(name->second);
    owners.push_back(std::move(object));
  }
  for (const auto& [identity, share] : stats.by_identity) {
    const IdentityWords words = identity_words(identity);
    boost::json::object object = json_share(share);
    object["model"] = words.model;
    object["family"] = words.family;
    object["arithmetic"] = words.arithmetic;
    object["kv"] = words.kv;
    models.push_back(std::move(object));
  }
  return json_line({{"blocks", stats.counts.record_count},
                    {"pinned", stats.counts.pinned_count},
                    {"bytes", stats.counts.live_bytes},
                    {"file_bytes", stats.counts.disk_bytes},
                    {"segments", stats.counts.segment_count},
                    {"foreign_files", stats.counts.foreign_count},
                    {"bad_blocks", stats.bad_count},
                    {"other_version_blocks", stats.other_version_count},
                    {"io", stats.io},
                    {"by_owner", std::move(owners)},
                    {"by_model", std::move(models)}});
}

Result<ExitCode> disk_stats(const CacheOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const auto names, owner_names(options));
  CAIRN_ASSIGN_OR_RETURN(const auto store, open_kept_blocks(options, IfAbsent::kRefuse));
  CAIRN_ASSIGN_OR_RETURN(const auto catalogue, read_catalogue(*store, options, console));
  if (!catalogue.has_value()) return ExitCode::kInterrupted;
  const DiskStats stats = stats_of(*store, *catalogue);
  if (options.output_form == OutputForm::kJson) {
    console.write(json_of(stats, names));
  } else {
    write_text(stats, names, console);
  }
  return ExitCode::kDone;
}

std::string_view breaker_text(RedisBreaker::State state) {
  switch (state) {
    case RedisBreaker::State::kClosed: return "asked";
    case RedisBreaker::State::kOpen: return "not asked for now";
    case RedisBreaker::State::kHalfOpen: return "tried again";
  }
  return "";
}

void write_remote_text(const RedisStore& store, const Status& answers, Console& console) {
  const RedisStore::State state = store.state();
  const RedisCounts counts = store.counts();
  Table facts({{"what"}, {"value"}});
  facts.add_row({"reachable", answers.ok() ? "yes" : "no: " + printable(answers.message(), 400)});
  facts.add_row({"kind", state.is_cluster ? "a Cluster" : "one server"});
  facts.add_row({"connections that failed", grouped(counts.connect_errors)});
  facts.add_row({"answers that came too late", grouped(counts.timeouts)});
  facts.add_row({"answers that say no", grouped(counts.error_replies)});
  console.write(facts.aligned());
  Table nodes({{"node"}, {"state"}, {"last failure"}});
  for (const RedisNodeState& node : state.nodes) {
    nodes.add_row({printable(node.address.text()), std::string(breaker_text(node.breaker)),
                   node.last_failure.empty() ? "-" : printable(node.last_failure, 400)});
  }
  if (nodes.row_count() > 0) console.write("\n" + nodes.aligned());
}

std::string remote_json(const RedisStore& store, const Status& answers) {
  const RedisStore::State state = store.state();
  const RedisCounts counts = store.counts();
  boost::json::array nodes;
  for (const RedisNodeState& node : state.nodes) {
    nodes.push_back({{"node", json_text(node.address.text())},
                     {"state", breaker_text(node.breaker)},
                     {"last_failure", json_text(node.last_failure)}});
  }
  return json_line({{"reachable", answers.ok()},
                    {"why_not", json_text(answers.message())},
                    {"cluster", state.is_cluster},
                    {"nodes", std::move(nodes)},
                    {"connect_errors", counts.connect_errors},
                    {"timeouts", counts.timeouts},
                    {"error_replies", counts.error_replies},
                    {"garbage_errors", counts.garbage_errors}});
}

}  // namespace

Result<ExitCode> run_cache_stats(const CacheOptions& options, Console& console) {
  if (options.disk.has_value() && !options.remote.empty()) {
    return invalid_argument("--kv-disk and --kv-remote are two places: ask about one at a time");
  }
  if (options.remote.empty()) return disk_stats(options, console);
  CAIRN_ASSIGN_OR_RETURN(const auto store, open_remote_store(options));
  const Status answers = store->ping();
  if (options.output_form == OutputForm::kJson) {
    console.write(remote_json(*store, answers));
  } else {
    write_remote_text(*store, answers, console);
  }
  return answers.ok() ? ExitCode::kDone : ExitCode::kFailed;
}

}  // namespace cairn
