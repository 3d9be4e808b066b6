#include "base/machine.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>

namespace cairn {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> read_text(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad() || text.str().empty()) return std::nullopt;
  return text.str();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Not by `/`, which libstdc++ 12 does not leave in order where there is no memory.
fs::path below(const fs::path& folder, std::string_view name) {
  return folder.native() + '/' + std::string(name);
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  text = trimmed(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> read_count(const fs::path& path) {
  const auto text = read_text(path);
  return text ? parse_count(*text) : std::nullopt;
}

// The value after "key " at the start of a line of memory.stat.
std::optional<std::uint64_t> stat_field(const fs::path& path, std::string_view key) {
  const auto text = read_text(path);
  if (!text) return std::nullopt;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      return parse_count(std::string_view(line).substr(key.size()));
    }
  }
  return std::nullopt;
}

// The folders whose limits bind this process: its own in that hierarchy and all above it. Inside a
// container the path may name folders that only the host sees; those do not exist here and are left out.
std::vector<fs::path> cgroup_folders(const MachineRoots& roots, std::string_view controller,
                                     std::initializer_list<std::string_view> mounts) {
  const auto text = read_text(below(roots.proc, "self/cgroup"));
  const auto own = text ? machine::cgroup_path(*text, controller) : std::nullopt;
  std::vector<fs::path> folders;
  if (!own) return folders;
  for (const std::string_view mount : mounts) {
    const fs::path root = below(below(roots.sys, "fs/cgroup"), mount);
    fs::path relative = fs::path(*own).relative_path();
    for (;; relative = relative.parent_path()) {
      std::error_code error;
      fs::path folder = below(root, relative.native());
      if (fs::is_directory(folder, error)) folders.push_back(std::move(folder));
      if (relative.empty()) break;
    }
  }
  return folders;
}

void limit_memory(MemoryFacts& facts, std::optional<std::uint64_t> limit, std::optional<std::uint64_t> used,
                  std::optional<std::uint64_t> reclaimable) {
  if (!limit || *limit >= facts.total_bytes) return;  // v1 writes "no limit" as a huge number
  facts.total_bytes = *limit;
  // File pages that are not in use are charged to the group, but reclaimed on demand.
  const std::uint64_t held = used.value_or(0) - std::min(reclaimable.value_or(0), used.value_or(0));
  facts.available_bytes = std::min(facts.available_bytes, *limit - std::min(held, *limit));
}

std::optional<int> quota_cores(const MachineRoots& roots) {
  std::optional<int> fewest;
  const auto take = [&fewest](std::optional<int> cores) {
    if (cores && (!fewest || *cores < *fewest)) fewest = cores;
  };
  for (const fs::path& folder : cgroup_folders(roots, "", {"", "unified"})) {
    if (const auto text = read_text(below(folder, "cpu.max"))) {
      const std::string_view both = trimmed(*text);
      const std::size_t space = both.find(' ');
      if (space != std::string_view::npos) {
        take(machine::cores_of_quota(both.substr(0, space), both.substr(space + 1)));
      }
    }
  }
  for (const fs::path& folder : cgroup_folders(roots, "cpu", {"cpu", "cpu,cpuacct"})) {
    const auto quota = read_text(below(folder, "cpu.cfs_quota_us")),
               period = read_text(below(folder, "cpu.cfs_period_us"));
    if (quota && period) take(machine::cores_of_quota(*quota, *period));
  }
  return fewest;
}

}  // namespace

namespace machine {

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  for (int capacity = 1024; capacity <= 1 << 20;
       capacity *= 2) {  // the kernel returns EINVAL if the mask is too small
    cpu_set_t* mask = CPU_ALLOC(capacity);
    if (mask == nullptr) break;
    const std::size_t mask_bytes = CPU_ALLOC_SIZE(capacity);
    CPU_ZERO_S(mask_bytes, mask);
    const bool known = sched_getaffinity(0, mask_bytes, mask) == 0;
    for (int cpu = 0; known && cpu < capacity; ++cpu) {
      if (CPU_ISSET_S(cpu, mask_bytes, mask)) cpus.push_back(cpu);
    }
    CPU_FREE(mask);
    if (known) break;
  }
  return cpus;
}

int count_cores(std::span<const int> cpus, const MachineRoots& roots) {
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    const fs::path topology = below(roots.sys, "devices/system/cpu/cpu" + std::to_string(cpu) + "/topology");
    // The list of a core's threads names the core, whatever the numbering of packages and dies is.
    cores.insert(read_text(below(topology, "thread_siblings_list")).value_or("cpu" + std::to_string(cpu)));
  }
  return std::max(1, static_cast<int>(cores.size()));
}

std::optional<std::uint64_t> kilobyte_field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ':') {
      const auto kilobytes = parse_count(line.substr(key.size() + 1));
      if (!kilobytes || *kilobytes > UINT64_MAX / 1024) return std::nullopt;
      return *kilobytes * 1024;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

std::optional<std::string_view> cgroup_path(std::string_view text, std::string_view controller) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);  // "4:cpu,cpuacct:/path"; v2: "0::/path"
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view names = line.substr(first + 1, second - first - 1);
    if (controller.empty() && names.empty()) return line.substr(second + 1);
    while (!names.empty()) {
      const std::size_t comma = std::min(names.find(','), names.size());
      if (names.substr(0, comma) == controller) return line.substr(second + 1);
      names.remove_prefix(std::min(comma + 1, names.size()));
    }
  }
  return std::nullopt;
}

std::optional<int> cores_of_quota(std::string_view quota, std::string_view period) {
  const auto quota_us = parse_count(quota);  // "max" and v1's "-1" are not counts: no limit
  const auto period_us = parse_count(period);
  if (!quota_us || !period_us || *period_us == 0) return std::nullopt;
  const std::uint64_t cores = *quota_us / *period_us + (*quota_us % *period_us != 0 ? 1 : 0);
  return static_cast<int>(std::clamp<std::uint64_t>(cores, 1, 1 << 20));
}

}  // namespace machine

int usable_core_count(const MachineRoots& roots) {
  const int cores = machine::count_cores(machine::allowed_cpus(), roots);
  return std::min(cores, quota_cores(roots).value_or(cores));
}

MemoryFacts memory_facts(const MachineRoots& roots) {
  const std::string meminfo = read_text(below(roots.proc, "meminfo")).value_or("");
  MemoryFacts facts;
  facts.total_bytes = machine::kilobyte_field(meminfo, "MemTotal").value_or(0);
  facts.available_bytes = machine::kilobyte_field(meminfo, "MemAvailable").value_or(facts.total_bytes);
  for (const fs::path& folder : cgroup_folders(roots, "", {"", "unified"})) {
    limit_memory(facts, read_count(below(folder, "memory.max")), read_count(below(folder, "memory.current")),
                 stat_field(below(folder, "memory.stat"), "inactive_file"));
  }
  for (const fs::path& folder : cgroup_folders(roots, "memory", {"memory"})) {
    limit_memory(facts, read_count(below(folder, "memory.limit_in_bytes")),
                 read_count(below(folder, "memory.usage_in_bytes")),
                 stat_field(below(folder, "memory.stat"), "total_inactive_file"));
  }
  return facts;
}

ResidentFacts resident_facts(const MachineRoots& roots) {
  const std::string status = read_text(below(roots.proc, "self/status")).value_or("");
  ResidentFacts facts;
  facts.current_bytes = machine::kilobyte_field(status, "VmRSS").value_or(0);
  if (const auto peak = machine::kilobyte_field(status, "VmHWM")) {
    facts.peak_bytes = *peak;
  } else {  // some sandboxes' kernels leave the line out
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
      facts.peak_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  }
  facts.peak_bytes = std::max(facts.peak_bytes, facts.current_bytes);
  return facts;
}

std::optional<std::uint64_t> huge_page_bytes(const MachineRoots& roots) {
  return machine::kilobyte_field(read_text(below(roots.proc, "meminfo")).value_or(""), "Hugepagesize");
}

std::optional<std::string> processor_name(const MachineRoots& roots) {
  std::istringstream lines(read_text(below(roots.proc, "cpuinfo")).value_or(""));
  for (std::string line; std::getline(lines, line);) {  // "model name\t: AMD EPYC 9R14"
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || trimmed(std::string_view(line).substr(0, colon)) != "model name")
      continue;
    const std::string_view name = trimmed(std::string_view(line).substr(colon + 1));
    if (!name.empty()) return std::string(name);
  }
  return std::nullopt;
}

}  // namespace cairn
