"""llama.cpp as node-llama-cpp ships it on the npm registry: a built Node addon, and a build for each kind of CPU.

Only the package with the addon is installed (@node-llama-cpp/linux-x64 and the like: no dependencies, no install
scripts), and npm_driver.mjs calls it.
"""
import json
import os
import platform
import re
from pathlib import Path

import processes
import shapes
from processes import Failure

VERSION = "3.22.1"  # the addon's interface may change with any: npm_driver.mjs was written for this one
DRIVER = Path(__file__).resolve().with_name("npm_driver.mjs")
OLDEST_NODE = 20
PLATFORMS = {("Linux", "x86_64"): "linux-x64", ("Linux", "aarch64"): "linux-arm64"}

# The package's CPU builds, by the last instruction set that they use. alderlake is AVX2 with dot products of bytes
# (AVX-VNNI), which Cairn's avx2 does not use.
AVX2_BUILDS = ("x64", "sse42", "sandybridge", "ivybridge", "piledriver", "haswell")
AVX512_BUILDS = AVX2_BUILDS + ("skylakex", "cannonlake", "cascadelake", "cooperlake", "icelake", "zen4")
BUILDS_OF_ISA = {"avx2": AVX2_BUILDS, "avx512": AVX512_BUILDS}

RANKS = ("AMX_INT8", "AVX512", "AVX2", "AVX", "SVE", "NEON")  # the best that is on names the instruction set


def features_of(system_info):
    """What is on in llama.cpp's own words: "CPU : AVX = 1 | AVX2 = 1 | SVE = 0 |" gives AVX, AVX2."""
    return [name for name, value in re.findall(r"(\w+) = (\d+)", system_info) if value != "0"]


def isa_of(features):
    """The same in Cairn's words."""
    words = {"AMX_INT8": "amx", "SVE": "neon"}
    best = next((rank for rank in RANKS if rank in features), None)
    return words.get(best, best.lower()) if best else None


def package_here():
    system = platform.system(), platform.machine()
    if system not in PLATFORMS:
        raise Failure(f"node-llama-cpp has no built llama.cpp for {' '.join(system)}: give --peer the path of one")
    return f"@node-llama-cpp/{PLATFORMS[system]}"


def check_node():
    node = processes.find("node", f"install Node.js {OLDEST_NODE} or later, or give --peer the path of a llama.cpp")
    version = processes.run("node", [node, "--version"])[0].strip()
    major = re.match(r"v(\d+)", version)
    if major is None or int(major[1]) < OLDEST_NODE:
        raise Failure(f"node is {version}, and node-llama-cpp needs {OLDEST_NODE} or later: install a later Node.js")
    return node


def npm_reason(said):
    """What npm says of its failure, without its code and where its log lies."""
    lines = [line.partition("npm error")[2].strip() for line in said.splitlines() if "npm error" in line]
    dull = ("code ", "errno ", "syscall ", "A complete log")
    return next((line for line in lines if line and not line.startswith(dull)), None)


def installed_version(folder):
    try:
        return json.loads((folder / "package.json").read_text())["version"]
    except (OSError, ValueError, KeyError):
        return None


def install(package, version, work, say):
    """The package's folder below `work`; npm fetches it where it is not there in this version."""
    folder = work / "node_modules" / package
    if installed_version(folder) == version:
        return folder
    npm = processes.find("npm", "install it (it comes with Node.js), or give --peer the path of a llama.cpp")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{work} cannot be made: {error.strerror}: give another folder by --work") from None
    say(f"installing {package} {version} from the npm registry into {work}")
    try:
        processes.run("npm", [npm, "install", "--prefix", work, "--ignore-scripts", "--no-audit", "--no-fund",
                              "--no-save", "--loglevel=error", "--fetch-retries=1", f"{package}@{version}"])
    except Failure as failure:
        raise Failure(f"{package} {version} could not be installed from the npm registry, which is needed once: "
                      f"{npm_reason(failure.said) or failure}") from None
    if installed_version(folder) != version:
        raise Failure(f"npm installed no {package} {version} into {work}")
    return folder


def limited_builds(folder, isa, work):
    """A folder with links to the CPU builds that use no later instruction set than `isa`."""
    wanted = BUILDS_OF_ISA.get(isa)
    if wanted is None:
        return folder
    linked = work / f"builds-{isa}"
    linked.mkdir(exist_ok=True)
    for old in linked.iterdir():
        old.unlink()
    found = [folder / f"libggml-cpu-{name}.so" for name in wanted]
    for build in filter(Path.exists, found):
        (linked / build.name).symlink_to(build)
    if not any(linked.iterdir()):
        raise Failure(f"{folder} has no CPU build that could be limited to {isa}: leave out --isa")
    return linked


class NpmPeer:
    name = "llama.cpp"

    def __init__(self, work, folder, version, say):
        self.work = work
        self.node = check_node()
        package = package_here()
        installed = install(package, version, folder, say)
        addons = sorted(installed.glob("bins/*/llama-addon.node"))
        if not addons:
            raise Failure(f"{package} {version} has no llama-addon.node where it is expected: use {VERSION}")
        self.addon = addons[0]
        self.backends = limited_builds(self.addon.parent, work.isa, folder)
        self.version = version
        self.release = self._release()

    def facts(self):
        """What it is; loads the model, which says early where it cannot."""
        found = self._run("facts")
        features = features_of(found["system_info"])
        return {"name": f"llama.cpp {self.release}, built by node-llama-cpp {self.version}", "isa": isa_of(features),
                "features": features, "library": found["library"], "model": found["model"],
                "threads": found["threads"], "system_info": found["system_info"],
                "flash_attention": {"enabled": "on", "disabled": "off"}.get(found["flash_attention"], self.work.flash)}

    def measure(self, task):
        return getattr(self, f"_measure_{task}")()

    def _release(self):
        try:
            facts = json.loads((self.addon.parent / "_nlcBuildMetadata.json").read_text())
            return str(facts["buildOptions"]["llamaCpp"]["release"])
        except (OSError, ValueError, KeyError, TypeError):
            return "of an unknown release"

    def _command(self, task, shape):
        job = {"addon": str(self.addon), "backends": str(self.backends), "model": os.path.abspath(self.work.model),
               "threads": self.work.threads, "flash_attention": self.work.flash, "task": task, **shape}
        return [self.node, DRIVER, json.dumps(job)]

    def _run(self, task, **shape):
        return last_event(processes.run(self.name, self._command(task, shape))[0], "done")

    def _measure_speed(self):
        wanted = self.work.phases
        found = self._run("speed", rounds=shapes.ROUNDS, tokens=shapes.DECODE_TOKENS if "decode" in wanted else 0,
                          prompt=shapes.PROMPT_TOKENS if "prefill" in wanted else 0)
        speeds = {}
        if found["decode_ms"] is not None:
            speeds["decode"] = 1e3 / found["decode_ms"]
        if found["prefill_ms"] is not None:
            speeds["prefill"] = shapes.PROMPT_TOKENS * 1e3 / found["prefill_ms"]
        return speeds

    def _measure_depth(self):
        found = self._run("depth", depths=self.work.depths, rounds=shapes.ROUNDS, tokens=shapes.DEPTH_TOKENS,
                          prompt=shapes.PROMPT_TOKENS, prompt_rounds=shapes.DEPTH_PROMPT_ROUNDS)
        speeds = {}
        for row in found["depths"]:
            speeds[f"decode@{row['depth']}"] = 1e3 / row["decode_ms"]
            speeds[f"prefill@{row['depth']}"] = shapes.PROMPT_TOKENS * 1e3 / row["prefill_ms"]
        return speeds

    def _measure_many(self):
        found = self._run("many", prefix=shapes.MANY_PREFIX, sequences=shapes.MANY_SEQUENCES, tail=shapes.MANY_TAIL,
                          rounds=shapes.ROUNDS, tokens=shapes.MANY_TOKENS)
        return {"many": shapes.MANY_SEQUENCES * 1e3 / found["step_ms"]}

    def _measure_start(self):
        """Without what Node takes before the driver's first line: that is no part of llama.cpp."""
        seconds, text = processes.run_to_first_line(self.name, self._command("start", {"prompt": shapes.START_PROMPT}))
        last_event(text, "done")
        return {"start": seconds - last_event(text, "first_token")["node_ms"] * 1e-3}


def last_event(text, wanted):
    """The last {"event": `wanted`} that the driver wrote. What else is on its output is the addon's own talk."""
    events = {}
    for line in text.splitlines():
        try:
            facts = json.loads(line)
            events[facts["event"]] = facts
        except (ValueError, KeyError, TypeError):
            continue
    if "failed" in events:
        failed = events["failed"]
        reason = f" ({failed['reason']})" if failed.get("reason") else ""
        raise Failure(f"the peer failed: {failed['message']}{reason}")
    if wanted not in events:
        raise Failure(f"the peer ended without a result: {processes.last_line(text)}")
    return events[wanted]
