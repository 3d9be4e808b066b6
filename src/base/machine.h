// What this machine lets the process use (cores, memory, huge pages), and how much memory the process uses.
//
// Always true: limits of containers (cgroups v1 and v2) and of the process's CPU mask are respected, so the
// values are what may be used, not what is installed. They are read anew at each call. What the system does
// not report is left out (an empty optional, or the next best source); nothing here fails. Anyone may call
// these at start; they read files, so they are not for a step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

// Where the kernel's files are; tests put the files of a made-up machine here.
struct MachineRoots {
  std::filesystem::path proc = "/proc";
  std::filesystem::path sys = "/sys";
};

struct MemoryFacts {
  std::uint64_t total_bytes = 0;      // the machine's, or the container's limit where that is lower
  std::uint64_t available_bytes = 0;  // what can be taken without swapping, likewise
};

struct ResidentFacts {
  std::uint64_t current_bytes = 0;  // VmRSS
  std::uint64_t peak_bytes = 0;     // VmHWM: the most that was ever resident
};

// Physical cores that this process may run on, at least 1: two threads of one core count once, and a
// container's CPU quota is rounded up to whole cores.
[[nodiscard]] int usable_core_count(const MachineRoots& roots = {});

[[nodiscard]] MemoryFacts memory_facts(const MachineRoots& roots = {});
[[nodiscard]] ResidentFacts resident_facts(const MachineRoots& roots = {});
[[nodiscard]] std::optional<std::uint64_t> huge_page_bytes(const MachineRoots& roots = {});
// What the first processor calls itself; many ARM machines do not say.
[[nodiscard]] std::optional<std::string> processor_name(const MachineRoots& roots = {});

// The parts of the above, so that tests can give them input of their own.
namespace machine {

// The CPUs that the process's mask allows, in ascending order.
[[nodiscard]] std::vector<int> allowed_cpus();

// How many distinct cores these CPUs are; a CPU whose siblings are unknown counts as a core.
[[nodiscard]] int count_cores(std::span<const int> cpus, const MachineRoots& roots);

// The value of "Key:   123 kB" in a text like /proc/meminfo's, in bytes.
[[nodiscard]] std::optional<std::uint64_t> kilobyte_field(std::string_view text, std::string_view key);

// The path of this process in the hierarchy of `controller` ("" is cgroup v2) in /proc/self/cgroup's text.
[[nodiscard]] std::optional<std::string_view> cgroup_path(std::string_view text, std::string_view controller);

// Cores that "max 100000" or "150000 100000" (cpu.max) grants; nullopt: no limit.
[[nodiscard]] std::optional<int> cores_of_quota(std::string_view quota, std::string_view period);

}  // namespace machine
}  // namespace cairn
