"""The machine that was measured on, and what else ran on it meanwhile."""
import os
import resource
import time

# Of the processor's features, those that decide how fast a model runs.
FEATURES = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
            "asimd", "asimddp", "i8mm", "bf16", "sve", "sve2")


def cpu_facts(cpuinfo):
    """(name, features) from the text of /proc/cpuinfo."""
    facts = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    name = facts.get("model name") or facts.get("Hardware") or os.uname().machine
    return name, [feature for feature in FEATURES if feature in flags]


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def usable_cores():
    """Physical cores that this process may run on: of siblings in one core, one counts."""
    usable = os.sched_getaffinity(0)
    return len({read(f"/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list") or str(n) for n in usable})


def facts():
    name, features = cpu_facts(read("/proc/cpuinfo"))
    return {"cpu": name, "cores": usable_cores(), "features": features}


def busy_ticks(stat):
    """Ticks that all processors were busy, of the text of /proc/stat; a hypervisor's share counts."""
    words = stat.split("\n", 1)[0].split()
    if len(words) < 9 or words[0] != "cpu":
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, words[1:9])
    return user + nice + system + irq + softirq + steal


class Elsewhere:
    """Counts what others take of the processors from now on."""

    def __init__(self):
        self.begin = self.now()

    @staticmethod
    def now():
        own = sum(usage.ru_utime + usage.ru_stime for usage in
                  (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))
        return time.monotonic(), busy_ticks(read("/proc/stat")), own

    def share(self):
        """Of the processors' time since the beginning, what neither this process nor those that it ran took."""
        then, ticks_then, own_then = self.begin
        now, ticks, own = self.now()
        if ticks is None or ticks_then is None or now <= then:
            return None
        others = (ticks - ticks_then) / os.sysconf("SC_CLK_TCK") - (own - own_then)
        return min(1.0, max(0.0, others / (now - then) / os.cpu_count()))
