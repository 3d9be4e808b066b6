#include "cli/line_history.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>

#include "base/file_writer.h"
#include "base/printable.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

std::string encoded(std::string_view line) {
  return boost::json::serialize(boost::json::string(line)) + "\n";
}

// A line that is no JSON string (a torn write, another program's) is left out.
std::optional<std::string> decoded(std::string_view text) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  if (error || !value.is_string()) return std::nullopt;
  return std::string(value.get_string());
}

// Made one by one, so that each new one is private.
Status make_folders(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return {};
  CAIRN_RETURN_IF_ERROR(make_folders(folder.parent_path()));
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return internal_error(
      fmt::format("cannot make the folder {}: {}", printable_path(folder.string()), std::strerror(errno)));
}

}  // namespace

LineHistory::LineHistory(std::optional<std::string> path) : path_(std::move(path)) {
  if (path_.has_value()) status_ = load();
}

Status LineHistory::load() {
  CAIRN_RETURN_IF_ERROR(make_folders(fs::path(*path_).parent_path()));
  CAIRN_RETURN_IF_ERROR(append(""));  // it can be written, or an error says why not
  std::ifstream file(*path_, std::ios::binary);
  size_t in_file = 0;
  for (std::string text; std::getline(file, text); ++in_file) {
    if (auto line = decoded(text)) lines_.push_back(std::move(*line));
  }
  if (lines_.size() > kHistoryLinesMax) {
    lines_.erase(lines_.begin(), lines_.end() - static_cast<std::ptrdiff_t>(kHistoryLinesMax));
  }
  return in_file > 2 * kHistoryLinesMax ? shorten() : Status();
}

// Lines that another program appends in this moment are lost; nothing worse can happen.
Status LineHistory::shorten() {
  auto writer = FileWriter::create(*path_, FileReaders::kOwner);
  CAIRN_RETURN_IF_ERROR(writer.status());
  for (const std::string& line : lines_) {
    const std::string text = encoded(line);
    CAIRN_RETURN_IF_ERROR(writer->append(std::as_bytes(std::span(text))));
  }
  return writer->finish();
}

Status LineHistory::append(std::string_view text) const {
  const auto failed = [&] {
    return internal_error(fmt::format("cannot write {}: {}", printable_path(*path_), std::strerror(errno)));
  };
  const int fd = ::open(path_->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd < 0) return failed();
  // One write for a line: two programs' lines do not mix.
  const ssize_t written = ::write(fd, text.data(), text.size());
  Status status = written == static_cast<ssize_t>(text.size()) ? Status() : failed();
  ::close(fd);
  return status;
}

void LineHistory::add(std::string_view line) {
  if (line.size() > kHistoryLineBytesMax || (!lines_.empty() && lines_.back() == line)) return;
  lines_.emplace_back(line);
  if (path_.has_value() && status_.ok()) status_ = append(encoded(line));
}

std::optional<std::string> history_path(const char* state_home, const char* home) {
  constexpr const char* kFile = "cairn/chat_history";
  if (state_home != nullptr && fs::path(state_home).is_absolute()) {
    return (fs::path(state_home) / kFile).string();
  }
  if (home == nullptr || !fs::path(home).is_absolute()) return std::nullopt;
  return (fs::path(home) / ".local/state" / kFile).string();
}

}  // namespace cairn
