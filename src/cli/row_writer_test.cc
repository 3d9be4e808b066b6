#include "cli/row_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace cairn {
namespace {

class RowWriterTest : public testing::Test {
 protected:
  RowWriterTest() { EXPECT_EQ(::pipe(pipe_.data()), 0); }
  ~RowWriterTest() override {
    for (const int fd : pipe_) ::close(fd);
  }
  // What has been written since the last time.
  std::string written() {
    std::array<char, 4096> buffer{};
    const ssize_t count = ::read(pipe_[0], buffer.data(), buffer.size());
    return {buffer.data(), count < 0 ? 0 : static_cast<size_t>(count)};
  }

  std::array<int, 2> pipe_{};
};

TEST_F(RowWriterTest, EachRowIsThereAtOnceUnderTheTitles) {
  Console console(Console::Colours::kNever, pipe_[1]);
  RowWriter rows(console, TableForm::kAligned,
                 {{"kv", Align::kLeft, 6}, {"bytes", Align::kRight, 8}, {"result"}});
  rows.add_row({"f16", "3072", "equal"});
  EXPECT_EQ(written(), "kv         bytes  result\nf16         3072  equal\n");
  rows.add_row({"int4:channel", "960", ""});
  EXPECT_EQ(written(), "int4:channel       960\n");
}

TEST_F(RowWriterTest, WritesCsv) {
  Console console(Console::Colours::kNever, pipe_[1]);
  RowWriter rows(console, TableForm::kCsv, {{"kv"}, {"bytes", Align::kRight, 8}});
  rows.add_row({"k=int8,v=int4", "1"});
  EXPECT_EQ(written(), "kv,bytes\n\"k=int8,v=int4\",1\n");
}

}  // namespace
}  // namespace cairn
