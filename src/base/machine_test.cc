#include "base/machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1 << 20;

// A made machine: files under a folder of its own, removed at the end.
class Machine : public testing::Test {
 protected:
  Machine() {
    std::string pattern = (fs::temp_directory_path() / "cairn_machine_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    roots_ = {folder_ / "proc", folder_ / "sys"};
    write("proc/meminfo",
          "MemTotal:        1048576 kB\nMemFree:          1024 kB\nMemAvailable:     524288 kB\n"
          "Hugepagesize:       2048 kB\n");
  }
  ~Machine() override { fs::remove_all(folder_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  void put_core(int cpu, const std::string& siblings) {
    write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list", siblings);
  }

  fs::path folder_;
  MachineRoots roots_;
};

TEST_F(Machine, WithoutLimitsMemoryIsTheKernels) {
  const MemoryFacts facts = memory_facts(roots_);
  EXPECT_EQ(facts.total_bytes, 1024 * kMiB);
  EXPECT_EQ(facts.available_bytes, 512 * kMiB);
  EXPECT_EQ(huge_page_bytes(roots_), 2 * kMiB);
}

TEST_F(Machine, SaysWhatItsProcessorIsCalledWhereTheKernelDoes) {
  EXPECT_EQ(processor_name(roots_), std::nullopt);
  write("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 48.00\nmodel\t\t: 143\n");
  EXPECT_EQ(processor_name(roots_), std::nullopt);
  write("proc/cpuinfo",
        "processor\t: 0\nmodel\t\t: 143\nmodel name\t: A Processor: 8 x 2.0 GHz\n\n"
        "processor\t: 1\nmodel name\t: Another\n");
  EXPECT_EQ(processor_name(roots_), "A Processor: 8 x 2.0 GHz");
}

TEST_F(Machine, TheLowestLimitAboveUsBindsInCgroupV2) {
  write("proc/self/cgroup", "0::/user/app\n");
  write("sys/fs/cgroup/user/app/memory.max", "max\n");
  write("sys/fs/cgroup/user/memory.max", "268435456\n");  // 256 MiB
  write("sys/fs/cgroup/user/memory.current", "167772160\n");
  write("sys/fs/cgroup/user/memory.stat", "anon 1\ninactive_file 67108864\nactive_file 5\n");
  const MemoryFacts facts = memory_facts(roots_);
  EXPECT_EQ(facts.total_bytes, 256 * kMiB);
  EXPECT_EQ(facts.available_bytes, (256 - 160 + 64) * kMiB);
}

TEST_F(Machine, InsideAContainerTheHostsPathIsNotThereAndTheRootBinds) {
  write("proc/self/cgroup", "5:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n0::/docker/0123\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "33554432\n");
  const MemoryFacts facts = memory_facts(roots_);
  EXPECT_EQ(facts.total_bytes, 128 * kMiB);
  EXPECT_EQ(facts.available_bytes, 96 * kMiB);
}

TEST_F(Machine, NoLimitInCgroupV1IsAHugeNumber) {
  write("proc/self/cgroup", "5:memory:/\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "33554432\n");
  EXPECT_EQ(memory_facts(roots_).available_bytes, 512 * kMiB);
}

TEST_F(Machine, AFullContainerHasNothingAvailable) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "1048576\n");
  write("sys/fs/cgroup/memory.current", "2097152\n");
  EXPECT_EQ(memory_facts(roots_).available_bytes, 0u);
}

TEST_F(Machine, ThreadsOfOneCoreCountOnce) {
  put_core(0, "0,2\n");
  put_core(1, "1,3\n");
  put_core(2, "0,2\n");
  put_core(3, "1,3\n");
  const int all[] = {0, 1, 2, 3}, one_core[] = {0, 2}, with_unknown[] = {0, 1, 9};
  EXPECT_EQ(machine::count_cores(all, roots_), 2);
  EXPECT_EQ(machine::count_cores(one_core, roots_), 1);
  EXPECT_EQ(machine::count_cores(with_unknown, roots_), 3);
  EXPECT_EQ(machine::count_cores({}, roots_), 1);
}

TEST_F(Machine, AQuotaOfCpuTimeLimitsTheCores) {
  for (int cpu : machine::allowed_cpus()) put_core(cpu, std::to_string(cpu) + "\n");
  const int allowed = static_cast<int>(machine::allowed_cpus().size());
  EXPECT_EQ(usable_core_count(roots_), allowed);
  write("proc/self/cgroup", "0::/app\n");
  write("sys/fs/cgroup/app/cpu.max", "100000 100000\n");
  EXPECT_EQ(usable_core_count(roots_), 1);
  write("sys/fs/cgroup/app/cpu.max", "max 100000\n");
  EXPECT_EQ(usable_core_count(roots_), allowed);
  write("proc/self/cgroup", "4:cpu,cpuacct:/\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(usable_core_count(roots_), 1);
}

TEST(MachineText, QuotasAreRoundedUpToCores) {
  EXPECT_EQ(machine::cores_of_quota("150000", "100000"), 2);
  EXPECT_EQ(machine::cores_of_quota("200000", "100000"), 2);
  EXPECT_EQ(machine::cores_of_quota("1000", "100000"), 1);
  EXPECT_EQ(machine::cores_of_quota("max", "100000"), std::nullopt);
  EXPECT_EQ(machine::cores_of_quota("-1", "100000"), std::nullopt);
  EXPECT_EQ(machine::cores_of_quota("1000", "0"), std::nullopt);
}

TEST(MachineText, FieldsAreFoundByTheirWholeName) {
  EXPECT_EQ(machine::kilobyte_field("VmRSSX: 1 kB\nVmRSS:\t   7 kB\n", "VmRSS"), 7 * 1024u);
  EXPECT_EQ(machine::kilobyte_field("VmRSS: 7 kB", "VmHWM"), std::nullopt);
  EXPECT_EQ(machine::kilobyte_field("VmRSS: many kB", "VmRSS"), std::nullopt);
  EXPECT_EQ(machine::kilobyte_field("VmRSS: 99999999999999999 kB", "VmRSS"), std::nullopt);
  EXPECT_EQ(machine::kilobyte_field("", "VmRSS"), std::nullopt);
}

TEST(MachineText, CgroupPathsAreFoundByController) {
  constexpr std::string_view kText = "9:name=systemd:/init\n4:cpu,cpuacct:/a/b\n3:cpuset:/c\n0::/d\n";
  EXPECT_EQ(machine::cgroup_path(kText, "cpu"), "/a/b");
  EXPECT_EQ(machine::cgroup_path(kText, "cpuset"), "/c");
  EXPECT_EQ(machine::cgroup_path(kText, ""), "/d");
  EXPECT_EQ(machine::cgroup_path(kText, "memory"), std::nullopt);
  EXPECT_EQ(machine::cgroup_path("nonsense\n:\n", "memory"), std::nullopt);
}

TEST(MachineReal, ThisMachineAnswersSensibly) {
  EXPECT_GE(usable_core_count(), 1);
  EXPECT_LE(usable_core_count(), static_cast<int>(machine::allowed_cpus().size()));
  const MemoryFacts memory = memory_facts();
  EXPECT_GT(memory.total_bytes, 64 * kMiB);
  EXPECT_LE(memory.available_bytes, memory.total_bytes);
  EXPECT_GT(resident_facts().current_bytes, 0u);
}

TEST(MachineReal, ResidentBytesFollowWhatIsTouched) {
  const ResidentFacts before = resident_facts();
  EXPECT_GE(before.peak_bytes, before.current_bytes);
  {
    const std::string block(64 * kMiB, 'x');
    const volatile char* seen = block.data();  // or a compiler may see that nobody reads it, and leave it out
    EXPECT_EQ(seen[block.size() - 1], 'x');
    EXPECT_GE(resident_facts().current_bytes + 8 * kMiB, before.current_bytes + block.size());
  }
  EXPECT_GE(resident_facts().peak_bytes + 8 * kMiB, before.current_bytes + 64 * kMiB);
}

}  // namespace
}  // namespace cairn
