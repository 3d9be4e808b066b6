"""What pairs of measurements say: medians, their spread, and the ratio of each pair."""
import csv
import statistics
from collections import namedtuple

# One metric of one pair: both sides measured one after the other.
Pair = namedtuple("Pair", "number metric peer cairn busy_elsewhere")
Range = namedtuple("Range", "median low high")
# Of all pairs of one metric; `ratio` is how many times as fast as the peer Cairn is.
Summary = namedtuple("Summary", "metric label unit peer cairn ratio count")


def times_as_fast(peer, cairn, unit):
    return peer / cairn if unit == "s" else cairn / peer


def range_of(values):
    return Range(statistics.median(values), min(values), max(values))


def summaries(pairs, metrics):
    """One for each metric that has a pair. The ratio is the median of the pairs' ratios, not one of medians."""
    found = []
    for key, metric in metrics.items():
        of_metric = [pair for pair in pairs if pair.metric == key]
        if not of_metric:
            continue
        ratios = [times_as_fast(pair.peer, pair.cairn, metric.unit) for pair in of_metric]
        found.append(Summary(key, metric.label, metric.unit, range_of([pair.peer for pair in of_metric]),
                             range_of([pair.cairn for pair in of_metric]), range_of(ratios), len(of_metric)))
    return found


def busy_elsewhere(pairs):
    """The most that others took of the processors during a pair; None where nobody can say."""
    known = [pair.busy_elsewhere for pair in pairs if pair.busy_elsewhere is not None]
    return max(known, default=None)


COLUMNS = ("pair", "metric", "unit", "peer", "cairn", "times_as_fast", "busy_elsewhere", "model", "threads", "kv",
           "cpu", "peer_name", "peer_isa", "cairn_name", "cairn_isa")


def write_csv(file, pairs, metrics, setting):
    """A line for each metric of each pair, with what was measured in the last columns."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    constant = [setting["model"], setting["threads"], setting["kv"], setting["machine"]["cpu"],
                setting["peer"]["name"], setting["peer"]["isa"] or "", setting["cairn"]["name"],
                setting["cairn"]["isa"]]
    for pair in pairs:
        unit = metrics[pair.metric].unit
        busy = "" if pair.busy_elsewhere is None else f"{pair.busy_elsewhere:.3f}"
        rows.writerow([pair.number, pair.metric, unit, f"{pair.peer:.6g}", f"{pair.cairn:.6g}",
                       f"{times_as_fast(pair.peer, pair.cairn, unit):.4f}", busy, *constant])
