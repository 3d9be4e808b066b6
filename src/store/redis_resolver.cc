#include "store/redis_resolver.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace cairn {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;
using std::chrono::steady_clock;

constexpr size_t kEntriesMax = 4096;  // a store that names ever new hosts must not fill the memory
constexpr std::chrono::seconds kKnownFor{30};
constexpr std::chrono::seconds kUnknownFor{1};

std::vector<std::string> look_up(const std::string& host) {
  boost::asio::io_context io;
  tcp::resolver resolver(io);
  error_code error;
  std::vector<std::string> addresses;
  for (const auto& found : resolver.resolve(host, "", error)) {
    addresses.push_back(found.endpoint().address().to_string());
  }
  return addresses;
}

}  // namespace

RedisResolver::~RedisResolver() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::optional<std::vector<std::string>> RedisResolver::find(const std::string& host) {
  error_code is_name;
  (void)boost::asio::ip::make_address(host, is_name);
  if (!is_name) return std::vector<std::string>{host};

  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(host);
  if (found != entries_.end()) {
    if (found->second.is_pending) return std::nullopt;
    if (steady_clock::now() < found->second.expires_at) return found->second.addresses;
  }
  if (found == entries_.end() && entries_.size() >= kEntriesMax) {
    std::erase_if(entries_, [](const auto& entry) { return !entry.second.is_pending; });
    if (entries_.size() >= kEntriesMax) return std::vector<std::string>{};
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wanted_.push_back(host);
  entries_[host].is_pending = true;
  changed_.notify_one();
  return std::nullopt;
}

void RedisResolver::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_ || !wanted_.empty(); });
    if (is_stopping_) return;
    const std::string host = std::move(wanted_.front());
    wanted_.pop_front();
    lock.unlock();
    std::vector<std::string> addresses;
    try {
      addresses = look_up(host);
    } catch (const std::exception&) {  // no memory: the name is not known for a second
    }
    lock.lock();
    Entry& entry = entries_[host];
    entry.is_pending = false;
    entry.expires_at = steady_clock::now() + (addresses.empty() ? kUnknownFor : kKnownFor);
    entry.addresses = std::move(addresses);
  }
}

}  // namespace cairn
