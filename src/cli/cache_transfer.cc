// cairn cache export and import: a text's blocks in a file, for machines that should have them at once.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file_writer.h"
#include "base/printable.h"
#include "base/unix_time.h"
#include "cli/cache.h"
#include "cli/cache_places.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "cli/terminal_input.h"
#include "kv/tiers/block_export.h"
#include "store/file_io_error.h"

namespace cairn {
namespace {

Result<FileWriter> create_file(const CacheOptions& options) {
  std::error_code ignored;
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(*options.file, ignored));
  if (exists && !options.replaces_file) {
    return invalid_argument(fmt::format("{} exists already: choose another name, or replace it with --force",
                                        printable_path(*options.file)));
  }
  return FileWriter::create(*options.file, FileReaders::kOwner);
}

// Of a text and its other forms (codecs, salts), whose blocks are others.
std::vector<size_t> blocks_of(const BlockCatalogue& catalogue, std::span<const size_t> texts) {
  std::vector<size_t> blocks;
  for (const size_t text : texts) {
    const std::vector<size_t> chain = catalogue.chain_of(text);
    blocks.insert(blocks.end(), chain.begin(), chain.end());
  }
  return blocks;
}

// Also of a pipe.
Result<size_t> read_fully(int fd, const std::string& name, std::span<std::byte> to) {
  size_t done = 0;
  while (done < to.size()) {
    const ssize_t got = ::read(fd, to.data() + done, to.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return internal_error(fmt::format("cannot read {}: {}", name, std::strerror(errno)));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Result<FileDescriptor> open_file(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.is_open()) return file;
  if (errno == ENOENT) return not_found("there is no file " + printable_path(path));
  return invalid_argument(fmt::format("cannot open {}: {}", printable_path(path), std::strerror(errno)));
}

std::string import_words(const ImportReport& report) {
  std::string words = block_count_text(report.taken_count);
  if (report.known_count > 0)
    words += fmt::format(", {} of which were there already", grouped(report.known_count));
  return words;
}

}  // namespace

Result<ExitCode> run_cache_export(const CacheOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const auto store, open_kept_blocks(options, IfAbsent::kRefuse));
  CAIRN_ASSIGN_OR_RETURN(const auto catalogue, read_catalogue(*store, options, console));
  if (!catalogue.has_value()) return ExitCode::kInterrupted;
  CAIRN_ASSIGN_OR_RETURN(const auto texts, wanted_texts(*catalogue, options, console));
  for (const size_t text : texts) {
    if (catalogue->block(catalogue->chain_of(text).front()).index == 0) continue;
    console.note("warning: the text's first blocks are no longer kept, so nobody can use what follows them");
  }
  const std::vector<RecordName> names = record_names(*catalogue, blocks_of(*catalogue, texts));
  CAIRN_ASSIGN_OR_RETURN(FileWriter file, create_file(options));
  const Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
  ProgressBar bar(console, "exporting");
  const Status status = export_blocks(
      *store, names, unix_ms(), [&](std::span<const std::byte> bytes) { return file.append(bytes); },
      [&](uint64_t done, uint64_t of) {
        bar.update(done, of);
        return !interrupt.is_raised();
      });
  bar.clear();
  if (!status.ok() && interrupt.is_raised()) {
    console.note(fmt::format("stopped: {} is not written", printable_path(*options.file)));
    return ExitCode::kInterrupted;
  }
  CAIRN_RETURN_IF_ERROR(status);
  const uint64_t bytes = file.appended_bytes();
  CAIRN_RETURN_IF_ERROR(file.finish());
  int64_t positions = 0;
  for (const size_t text : texts)
    positions = std::max(positions, (catalogue->block(text).index + 1) * kBlockSize);
  console.write(fmt::format(
      "{}: {} for {} tokens, {}{}\n", printable_path(*options.file), block_count_text(names.size()),
      positions, human_bytes(bytes),
      texts.size() > 1 ? fmt::format(", in {} forms (models, KV plans, salts)", texts.size()) : ""));
  return ExitCode::kDone;
}

Result<ExitCode> run_cache_import(const CacheOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const FileDescriptor file, open_file(*options.file));
  const std::string name = printable_path(*options.file);
  const ReadBytes read = [&](std::span<std::byte> to) { return read_fully(file.get(), name, to); };
  // Before a folder is made for nothing.
  auto reader = ExportReader::open(read);
  if (!reader.ok()) return Status(reader.status().code(), name + ": " + reader.status().message());
  CAIRN_ASSIGN_OR_RETURN(const auto store, open_kept_blocks(options, IfAbsent::kMake));
  const Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
  ProgressBar bar(console, "importing");
  ImportReport report;
  const Status status = import_blocks(
      *reader, *store,
      [&](uint64_t done, uint64_t of) {
        bar.update(done, of);
        return !interrupt.is_raised();
      },
      report);
  bar.clear();
  if (status.ok()) {
    console.write(fmt::format("{}: {}\n", name, import_words(report)));
    return ExitCode::kDone;
  }
  console.note(fmt::format("{} were taken of {}; the rest is not", import_words(report),
                           grouped(reader->header().block_count)));
  if (interrupt.is_raised()) return ExitCode::kInterrupted;
  return Status(status.code(), name + ": " + status.message());
}

}  // namespace cairn
