#include "store/redis_server_testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/sha256.h"

namespace cairn {
namespace {

constexpr int kStartsMax = 5;  // another process may take a port between its choice and its use
constexpr std::chrono::seconds kPatience{30};
constexpr uint16_t kSlotsOfNode = 5461;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

template <typename Condition>
bool wait_until(const Condition& holds) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

class RawConnection {
 public:
  explicit RawConnection(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const sockaddr_in address = loopback(port);
    is_connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  ~RawConnection() { ::close(fd_); }

  RespValue ask(const std::string& command) {
    if (!is_connected_) return {};
    if (::send(fd_, command.data(), command.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(command.size()))
      return {};
    RespReader reader;
    std::vector<std::byte> buffer(64 << 10);
    while (true) {
      const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (count <= 0) return {};
      std::span<const std::byte> input(buffer.data(), static_cast<size_t>(count));
      if (reader.read(input) == RespReader::Progress::kDone) return reader.take();
    }
  }

 private:
  int fd_;
  bool is_connected_ = false;
};

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what))
    text.replace(at, what.size(), by);
}

}  // namespace

bool redis_is_installed() {
  for (const char* folder : {"/usr/bin", "/usr/local/bin", "/bin"}) {
    if (::access((std::string(folder) + "/redis-server").c_str(), X_OK) == 0) return true;
  }
  return false;
}

uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(std::vector<std::string> options, std::string password)
    : options_(std::move(options)), password_(std::move(password)) {
  for (int attempt = 0; attempt < kStartsMax && pid_ < 0; ++attempt) {
    port_ = free_port();
    try_start();
  }
  EXPECT_GE(pid_, 0) << "redis-server does not start";
}

RedisServer::~RedisServer() { kill(); }

void RedisServer::start() {
  EXPECT_TRUE(wait_until([this] { return try_start(); })) << "it does not start again";
}

bool RedisServer::try_start() {
  std::vector<std::string> words = {"redis-server",   "--port",    std::to_string(port_),
                                    "--bind",         "127.0.0.1", "--dir",
                                    folder_.path(),   "--save",    "",
                                    "--appendonly",   "no",        "--logfile",
                                    folder_.at("log")};
  words.insert(words.end(), options_.begin(), options_.end());
  for (std::string& word : words) {
    replace_all(word, "%PORT", std::to_string(port_));
    replace_all(word, "%FOLDER", folder_.path());
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {0, 1, 2}) ::dup2(nowhere, fd);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  bool has_ended = false;
  const bool answers = wait_until([&] {
    int status = 0;
    has_ended = ::waitpid(pid_, &status, WNOHANG) == pid_;
    return has_ended || !ask({"PING"}).is(RespValue::Kind::kNull);
  });
  if (has_ended) pid_ = -1;
  if (!answers) kill();
  return pid_ >= 0;
}

RespValue RedisServer::ask(std::initializer_list<std::string_view> command) const {
  RawConnection connection(port_);
  std::string text;
  if (!password_.empty()) {
    append_resp_command(text, {"AUTH", password_});
    const RespValue login = connection.ask(text);
    if (!login.is(RespValue::Kind::kStatus)) return login;
    text.clear();
  }
  append_resp_command(text, command);
  return connection.ask(text);
}

void RedisServer::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

void RedisServer::stop_running() const { ::kill(pid_, SIGSTOP); }
void RedisServer::go_on() const { ::kill(pid_, SIGCONT); }

RedisClusterOfThree::RedisClusterOfThree() {
  std::vector<std::string> bus_ports;
  for (size_t i = 0; i < 3; ++i) {
    bus_ports.push_back(std::to_string(free_port()));
    nodes_.push_back(std::make_unique<RedisServer>(std::vector<std::string>{
        "--cluster-enabled", "yes", "--cluster-port", bus_ports.back(), "--cluster-require-full-coverage",
        "no", "--cluster-node-timeout", "15000"}));
    const size_t first = i * kSlotsOfNode;
    const size_t last = std::min<size_t>(first + kSlotsOfNode, 16'384) - 1;
    nodes_[i]->ask({"CLUSTER", "ADDSLOTSRANGE", std::to_string(first), std::to_string(last)});
  }
  for (size_t i = 1; i < 3; ++i) {
    nodes_[0]->ask({"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[i]->port()), bus_ports[i]});
  }
  for (const auto& node : nodes_) {
    EXPECT_TRUE(wait_until([&] {
      const std::string info(node->ask({"CLUSTER", "INFO"}).bytes_text());
      return info.find("cluster_state:ok") != std::string::npos &&
             node->ask({"CLUSTER", "SLOTS"}).elements.size() == 3;
    })) << "the nodes do not come together";
  }
}

std::vector<std::string> RedisClusterOfThree::urls() const {
  std::vector<std::string> urls;
  for (const auto& node : nodes_) urls.push_back(node->url());
  return urls;
}

size_t RedisClusterOfThree::node_of(uint16_t slot) { return slot / kSlotsOfNode; }

std::string RedisClusterOfThree::id_of(size_t index) const {
  return std::string(nodes_[index]->ask({"CLUSTER", "MYID"}).bytes_text());
}

std::string redis_test_name(int number) {
  const std::string text = "name " + std::to_string(number);
  const Sha256Digest digest = sha256(std::as_bytes(std::span(text)));
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::vector<std::byte> redis_test_bytes(int number, size_t byte_count) {
  std::vector<std::byte> bytes(byte_count);
  uint64_t state = static_cast<uint64_t>(number) * 0x9E3779B97F4A7C15U + 1;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

}  // namespace cairn
