#include "store/file_io_testing.h"

#include <utility>

#include "store/record.h"

namespace cairn {
namespace {

class FaultyFile final : public File {
 public:
  FaultyFile(std::unique_ptr<File> real, std::shared_ptr<FaultPlan> plan)
      : real_(std::move(real)), plan_(std::move(plan)) {}

  Status read(std::span<const ReadPiece> pieces, const std::function<void(size_t)>& done) override {
    CAIRN_RETURN_IF_ERROR(plan_->enter(FileCall::kRead));
    for (const ReadPiece& piece : pieces) plan_->add_read_bytes(piece.to.size());
    return real_->read(pieces, done);
  }
  Status write(uint64_t offset, std::span<const std::byte> bytes) override {
    Status failed = plan_->enter(FileCall::kWrite);
    if (failed.ok()) return real_->write(offset, bytes);
    const uint64_t half = bytes.size() / 2 / kRecordAlignment * kRecordAlignment;
    if (half > 0) (void)real_->write(offset, bytes.first(half));
    return failed;
  }
  Status sync() override {
    CAIRN_RETURN_IF_ERROR(plan_->enter(FileCall::kSync));
    return real_->sync();
  }
  Status truncate(uint64_t bytes) override {
    CAIRN_RETURN_IF_ERROR(plan_->enter(FileCall::kTruncate));
    return real_->truncate(bytes);
  }
  Result<uint64_t> size() override { return real_->size(); }

 private:
  std::unique_ptr<File> real_;
  std::shared_ptr<FaultPlan> plan_;
};

class FaultyFiles final : public FileSystem {
 public:
  FaultyFiles(std::shared_ptr<FileSystem> real, std::shared_ptr<FaultPlan> plan)
      : real_(std::move(real)), plan_(std::move(plan)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    CAIRN_RETURN_IF_ERROR(plan_->enter(FileCall::kOpen));
    CAIRN_ASSIGN_OR_RETURN(auto file, real_->open(path, mode));
    return std::unique_ptr<File>(std::make_unique<FaultyFile>(std::move(file), plan_));
  }
  Status rename(const std::string& from, const std::string& to) override {
    CAIRN_RETURN_IF_ERROR(plan_->enter(FileCall::kRename));
    return real_->rename(from, to);
  }
  Status remove(const std::string& path) override {
    CAIRN_RETURN_IF_ERROR(plan_->enter(FileCall::kRemove));
    return real_->remove(path);
  }
  Status sync_folder(const std::string& folder) override {
    CAIRN_RETURN_IF_ERROR(plan_->enter(FileCall::kSyncFolder));
    return real_->sync_folder(folder);
  }
  [[nodiscard]] std::string describe() const override { return real_->describe(); }

 private:
  std::shared_ptr<FileSystem> real_;
  std::shared_ptr<FaultPlan> plan_;
};

}  // namespace

void FaultPlan::fail(FileCall call, uint64_t nth, StatusCode code, uint64_t count) {
  const std::lock_guard lock(mutex_);
  Kind& kind = kinds_[static_cast<size_t>(call)];
  kind.first = kind.calls + nth;
  kind.end = kind.first + count;
  kind.code = code;
}

void FaultPlan::heal() {
  const std::lock_guard lock(mutex_);
  for (Kind& kind : kinds_) kind.first = kind.end = 0;
}

void FaultPlan::before(std::function<void(FileCall)> hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

uint64_t FaultPlan::call_count(FileCall call) const {
  const std::lock_guard lock(mutex_);
  return kinds_[static_cast<size_t>(call)].calls;
}

Status FaultPlan::enter(FileCall call) {
  std::function<void(FileCall)> hook;
  Status failed;
  {
    const std::lock_guard lock(mutex_);
    hook = hook_;
    Kind& kind = kinds_[static_cast<size_t>(call)];
    ++kind.calls;
    if (kind.calls >= kind.first && kind.calls < kind.end) {
      failed = {kind.code, "planned by the test"};
      ++failed_count_;
    }
  }
  if (hook) hook(call);
  return failed;
}

std::shared_ptr<FileSystem> faulty_files(std::shared_ptr<FileSystem> real, std::shared_ptr<FaultPlan> plan) {
  return std::make_shared<FaultyFiles>(std::move(real), std::move(plan));
}

}  // namespace cairn
