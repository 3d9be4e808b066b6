"""The result in words: what was measured on what, a table, and what to mind."""
import pairs as pairs_

BUSY = 0.05  # of the processors' time: more of it elsewhere, and spinning threads lose far more than that


def shown(value, unit):
    if unit == "s":
        return f"{value:.3f} s"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def build_of(side):
    """The instruction set that a side used, and how one knows."""
    isa = side["isa"] or "an instruction set that it does not tell (what it was built for)"
    details = [side["library"]] if side.get("library") else []
    if side.get("features"):
        details.append(" ".join(side["features"]))
    return isa + (f" ({'; '.join(details)})" if details else "")


def heading(setting):
    machine, peer, cairn = setting["machine"], setting["peer"], setting["cairn"]
    memory = setting["read_bytes_per_s"]
    bandwidth = f"; reads memory at {memory * 1e-9:.1f} GB/s" if memory else ""
    return [f"model      {setting['model']} ({peer['model']}), keys and values in {setting['kv']}, "
            f"threads: {setting['threads']}",
            f"machine    {machine['cpu']}, {machine['cores']} cores, {' '.join(machine['features'])}{bandwidth}",
            f"peer       {peer['name']}; {build_of(peer)}; flash attention {peer['flash_attention']}",
            f"Cairn      {cairn['name']}; {build_of(cairn)}"]


def table(summaries):
    """Lines in columns."""
    rows = [["", "llama.cpp", "Cairn", "times as fast", "spread (pairs)"]]
    for one in summaries:
        unit = "" if one.unit == "s" else f", {one.unit}"
        rows.append([one.label + unit, shown(one.peer.median, one.unit), shown(one.cairn.median, one.unit),
                     f"{one.ratio.median:.2f}", f"{one.ratio.low:.2f} to {one.ratio.high:.2f} ({one.count})"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])])
            for row in rows]


def notes(setting, pairs):
    found = []
    peer, cairn = setting["peer"], setting["cairn"]
    busy = pairs_.busy_elsewhere(pairs)
    if busy is not None and busy > BUSY:
        found.append(f"Other programs took up to {busy:.0%} of the processors during a pair: trust no figure above. "
                     "llama.cpp's threads wait by spinning and slow down many times when they share a core.")
    if peer["isa"] and peer["isa"] != cairn["isa"]:
        found.append(f"The instruction sets differ: llama.cpp used {peer['isa']}, Cairn {cairn['isa']}.")
    if peer.get("uses_more_than_cpus"):
        found.append(f"This llama.cpp is built for {peer['backends']}: it may compute prompts on another device even "
                     "with no layer there. A build for CPUs alone gives a fair figure.")
    if any(pair.metric == "start" for pair in pairs):
        found.append("Start: of llama.cpp without what Node takes before it is loaded; both files were in memory.")
    return found


def text(setting, pairs, metrics):
    lines = heading(setting) + [""] + table(pairs_.summaries(pairs, metrics))
    return "\n".join(lines + [""] * bool(notes(setting, pairs)) + notes(setting, pairs)) + "\n"


def as_json(setting, pairs, metrics):
    """The same as one object."""
    results = {}
    for one in pairs_.summaries(pairs, metrics):
        results[one.metric] = {"unit": one.unit, "pairs": one.count, "peer": one.peer._asdict(),
                               "cairn": one.cairn._asdict(), "times_as_fast": one.ratio._asdict()}
    return {**setting, "results": results, "busy_elsewhere": pairs_.busy_elsewhere(pairs),
            "notes": notes(setting, pairs), "pairs": [pair._asdict() for pair in pairs]}
