// Rows that come back from a disk, in an engine whose memory knows nothing of them.
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <string>
#include <system_error>

#include "engine/verify/variations.h"
#include "store/disk_store.h"

namespace cairn {
namespace {

// A folder for one variation, gone with it. Empty where the system has none.
class PassingFolder {
 public:
  PassingFolder() {
    std::error_code error;
    std::string pattern = (std::filesystem::temp_directory_path(error) / "cairn-verify-XXXXXX").string();
    if (!error && ::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~PassingFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  PassingFolder(const PassingFolder&) = delete;
  PassingFolder& operator=(const PassingFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The whole text has run in one engine. In each of the next ones a prompt finds on the disk what it can of it.
Result<std::string> run_from_disk(const Scene& scene, Comparison& comparison) {
  const int64_t length = scene.length();
  if (length <= kBlockSize) return std::string("too few positions to fill a block");
  const PassingFolder folder;
  if (folder.path().empty()) return std::string("no folder for temporary files");
  EngineOptions options = scene.options();
  constexpr uint64_t kRoom = uint64_t{1} << 30;
  CAIRN_ASSIGN_OR_RETURN(options.tiers.disk,
                         DiskStore::open({.folder = folder.path() + "/kept", .size_bytes = kRoom}));
  options.tiers.load = LoadPolicy::kAlways;
  require(comparison, 0, 0, length);
  {
    CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, options, comparison));
    CAIRN_RETURN_IF_ERROR(trial->submit_text({.prompt_count = length, .token_count = length}).status());
    CAIRN_RETURN_IF_ERROR(trial->finish());
    CAIRN_RETURN_IF_ERROR(trial->flush_tiers());
  }
  for (const int64_t prompt : std::array{int64_t{kBlockSize + 1}, length - 2, length}) {
    CAIRN_ASSIGN_OR_RETURN(const auto trial, start_trial(scene, options, comparison));
    CAIRN_RETURN_IF_ERROR(
        trial
            ->submit_text(
                {.prompt_count = prompt, .token_count = length, .wanted = LogitsWanted::kEveryNewPosition})
            .status());
    CAIRN_RETURN_IF_ERROR(trial->finish());
    if (trial->reused_tokens() != (prompt - 1) / kBlockSize * kBlockSize) {
      return internal_error("a prompt did not find the rows that were on the disk");
    }
  }
  return std::string();
}

}  // namespace

std::vector<Variation> tier_variations(const Scene& scene) {
  return {{2, "rows from disk, in a new engine", 2 * scene.texts[0].size(), run_from_disk}};
}

}  // namespace cairn
