"""Fits models/measured.toml from public measurements. Standard library only.

    python3 fit.py SEBS_INVOCATIONS.csv SEBS_CONTAINER_EVICTION.csv LAMBDA_PERF.json > measured.toml

SEBS_INVOCATIONS.csv         one row per invocation of the SeBS 2020 runs, flattened from
    https://github.com/spcl/serverless-benchmarks-artifact at 22e8134ca789a54cffd789265303c17d5a0536db
    (DOI 10.5281/zenodo.5209001). Columns: provider, benchmark, language, configured_memory_mb, experiment,
    is_cold, exec_time_us, http_connection_s, client_time_us.
SEBS_CONTAINER_EVICTION.csv  the same artefact's container eviction experiment.
    Columns: invocations, delta_t_s, warm_containers.
LAMBDA_PERF.json             one day of https://github.com/maxday/lambda-perf at
    6070b7947b5ddf788cb69f2ffe6bbde3e22033fb (2026-08-22, Apache-2.0), as published.

Only quantiles and counts leave this script: the SeBS repository carries no licence, and facts need none.
"""

import collections
import csv
import json
import sys

PROBABILITIES = [0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 0.999]
PROVIDERS = {"aws": "aws", "gcp": "google", "azure": "azure"}
# graph-bfs returns the whole graph, so its transfer time is not overhead.
OVERHEAD_BENCHMARKS = {"120.uploader", "210.thumbnailer", "311.compression", "411.image-recognition"}
# image-recognition pulls a model of 100 MB and more when cold: not a start of the platform.
COLD_BENCHMARKS = {"120.uploader", "210.thumbnailer", "311.compression", "503.graph-bfs"}
# Bound by the processor, so the spread is the machine's and not the storage's.
NOISE_BENCHMARKS = {"210.thumbnailer", "411.image-recognition", "503.graph-bfs"}
# One thread, no storage: its time by memory is the share of a core that a memory size buys.
SHARE_BENCHMARK = "503.graph-bfs"
RUNTIMES = {
    "rust (prov.al2023)": "rust",
    "go (prov.al2023)": "go",
    "python3.13": "python3.13",
    "nodejs24.x": "nodejs24",
    "java25": "java25",
    "dotnet10": "dotnet10",
    "dotnet10 aot (prov.al2023)": "dotnet10-aot",
    "ruby3.4": "ruby3.4",
}


def quantile(ordered, probability):
    """Linear interpolation between order statistics (type 7 of Hyndman and Fan)."""
    place = probability * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def quantiles(values):
    ordered = sorted(values)
    return [max(0, round(quantile(ordered, probability))) for probability in PROBABILITIES]


def median(values):
    return quantile(sorted(values), 0.5)


def rows_of(path):
    with open(path, newline="") as file:
        yield from csv.DictReader(file)


class Call:
    def __init__(self, row):
        self.provider = PROVIDERS[row["provider"]]
        self.benchmark, self.language = row["benchmark"], row["language"]
        self.memory, self.experiment = row["configured_memory_mb"], row["experiment"]
        self.cold = row["is_cold"] == "True"
        self.exec_us = float(row["exec_time_us"])
        connect_us = float(row["http_connection_s"] or 0) * 1e6
        # Connections are pooled by any client that cares, so setting one up is not part of a call.
        self.overhead_us = float(row["client_time_us"]) - connect_us - self.exec_us

    def usable(self):
        # nodejs thumbnailer on gcp returned before its work was done when warm: its execution time is wrong.
        return not (self.provider == "google" and self.language == "nodejs" and not self.cold)

    def unhurried(self):
        # Azure's other experiments send bursts that queue in the host for seconds; this is the idle path.
        return self.provider != "azure" or self.experiment == "sequential"


def table(name, source, n, values, unit):
    print(f"\n[{name}]")
    print(f'source = "{source}"')
    print(f"n = {n}")
    print(f"{unit} = {values}")


def latency(calls, provider):
    warm = [c.overhead_us for c in calls if not c.cold and c.unhurried() and c.benchmark in OVERHEAD_BENCHMARKS]
    table(f"overhead.{provider}", "sebs", len(warm), quantiles(warm), "quantiles_us")
    floor = median(warm)
    for language in ("python", "nodejs"):
        # On gcp the nodejs executions are right when cold, so their starts count.
        cold = [c.overhead_us - floor for c in calls if c.cold and c.benchmark in COLD_BENCHMARKS and c.language == language]
        table(f"cold_excess.{provider}.{language}", "sebs", len(cold), quantiles(cold), "quantiles_us")


def noise(calls, provider):
    groups = collections.defaultdict(list)
    for call in calls:
        if not call.cold and call.benchmark in NOISE_BENCHMARKS and call.language == "python":
            groups[call.benchmark, call.memory].append(call.exec_us)
    ratios = [1e6 * value / median(group) for group in groups.values() for value in group]
    table(f"noise.{provider}", "sebs", len(ratios), quantiles(ratios), "quantiles_ppm")


def share(calls, provider):
    groups = collections.defaultdict(list)
    for call in calls:
        if not call.cold and call.benchmark == SHARE_BENCHMARK:
            groups[call.memory].append(call.exec_us)
    medians = {memory: median(group) for memory, group in groups.items()}
    fastest = min(medians.values())
    print(f"\n[core.{provider}]")
    print('source = "sebs"')
    print(f"n = {sum(map(len, groups.values()))}")
    print(f"full_core_us = {round(fastest)}")
    if "dynamic" not in medians:
        points = sorted((int(memory), round(1000 * fastest / value)) for memory, value in medians.items())
        print(f"share_milli = {[list(point) for point in points]}")


def keep_alive(path):
    counts = collections.defaultdict(lambda: [0, 0])
    for row in rows_of(path):
        count = counts[int(row["delta_t_s"])]
        count[0] += int(row["invocations"])
        count[1] += int(row["warm_containers"])
    # Containers leave in halves at whole multiples of a period: the one with the least squared error.
    def error(period):
        return sum((warm / all_ - 0.5 ** (idle // period)) ** 2 for idle, (all_, warm) in counts.items())

    # Every period between two measured idle times explains the data alike; take the middle.
    periods = range(60, 1200)
    best = min(map(error, periods))
    equal = [period for period in periods if error(period) <= best + 1e-12]
    print("\n[keep_alive.aws]")
    print('source = "sebs"')
    print(f"n = {sum(count[0] for count in counts.values())}")
    print(f"period_s = {(equal[0] + equal[-1]) // 2}")
    print("survival_ppm = 500000")
    for idle in sorted(counts):
        all_, warm = counts[idle]
        print(f"# idle {idle:4} s: {warm / all_:.3f} of {all_} still warm")


def init(path):
    with open(path) as file:
        data = json.load(file)["runtimeData"]
    for shown, runtime in RUNTIMES.items():
        for architecture in ("x86_64", "arm64"):
            found = [row for row in data if row["d"] == shown and row["a"] == architecture and row["p"] == "zip"]
            times = [1000 * time for row in found for time in row["i"]]
            table(f'init."{runtime}".{architecture}', "lambda-perf", len(times), quantiles(times), "quantiles_us")
            print(f"memory_mb = {round(median([row['mu'] for row in found]))}")


def main(invocations, eviction, lambda_perf):
    print("# GENERATED by fit.py from public measurements; see there for sources and method. Do not edit.")
    print("# Quantiles stand at `probabilities_ppm`; between them the model interpolates.")
    print(f"\nprobabilities_ppm = {[round(1e6 * probability) for probability in PROBABILITIES]}")
    print("\n[source.sebs]")
    print('title = "SeBS 2020 measurements, spcl/serverless-benchmarks-artifact @22e8134c, DOI 10.5281/zenodo.5209001"')
    print('measured = "2020"')
    print("\n[source.lambda-perf]")
    print('title = "maxday/lambda-perf @6070b794, Apache-2.0, AWS us-east-1, 128 to 1,024 MB pooled"')
    print('measured = "2026-08-22"')
    calls = [call for call in map(Call, rows_of(invocations)) if call.usable()]
    for provider in PROVIDERS.values():
        own = [call for call in calls if call.provider == provider]
        latency(own, provider)
        noise(own, provider)
        share(own, provider)
    keep_alive(eviction)
    init(lambda_perf)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
