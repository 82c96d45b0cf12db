"""Benchmarks of the consumer.

python -m benchmarks.consumer --json FILE [--quick]
python -m benchmarks.consumer --alerts SESSION.csv.gz...
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.consumer import cold_import, crash_points, end_to_end, polled, session_alerts, steady_state, throughput

_SYMBOL_COUNTS = (4, 100, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    parser.add_argument("--quick", action="store_true", help="fewer records for the published way, shorter end to end")
    parser.add_argument("--alerts", type=Path, nargs="+", metavar="SESSION", help="list the alerts of session files")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="alert rules in place of the bundled ones")
    arguments = parser.parse_args()
    if arguments.alerts:
        for alert in session_alerts.list_alerts(arguments.alerts, arguments.rules):
            print(_line(alert))
        return
    figures = measure(quick=arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def _line(alert: dict[str, Any]) -> str:
    return (
        f"{alert['timestamp']}  {alert['symbol']:8} {alert['kind']:7} {alert['direction']:5} "
        f"{alert['severity']:9} price {alert['price']:>10}  change {float(alert['change_percent']):+6.2f}%"
        f"  {float(alert['value']):8.2f} against {float(alert['threshold']):g}"
    )


def measure(*, quick: bool) -> dict[str, Any]:
    """All figures; those of the issue at the top level, by 100 symbols."""
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    by_symbols = {}
    for symbols in (100,) if quick else _SYMBOL_COUNTS:
        by_symbols[symbols] = result = throughput.measure(quick=quick or symbols != 100, symbols=symbols)
        print(
            f"{symbols:5} symbols: {result['wall_seconds']:.2f} s a batch of {result['records']:,}, "
            f"{result['ratio_to_published']:.0f}x the published way, "
            f"{result['records_per_cpu_second']:,.0f} records per CPU-second, calls {result['calls']}"
        )
    main_result = by_symbols[100]
    cold = cold_import.measure(3 if quick else 9)
    rss_mib = cold["rss_bytes_imported"] / 2**20
    print(
        f"cold import: {cold['cold_import_seconds']:.3f} s, {cold['cold_import_ratio']:.2f}x boto3 with three clients "
        f"(in the developer's environment {cold['cold_import_ratio_in_venv']:.2f}x), RSS {rss_mib:.0f} MiB"
    )
    looks = polled.measure(quick=quick)
    print(
        f"one quote a symbol: {looks['records_per_cpu_second_polled']:,.0f} records per CPU-second (1,000 a batch), "
        f"{looks['cpu_ratio_to_published_polled']:.0f}x less CPU than the published way; "
        f"170 a batch: p50 {looks['batch_p50_seconds_polled_170']:.3f} s"
    )
    steady = steady_state.measure(quick=quick)
    print(
        f"steady state: {steady['write_units_a_quote']:.3f} write units a quote {steady['write_units_by_table']}; "
        f"objects put for the same windows: {steady['s3_puts_1000_symbols']} at 1,000 symbols, "
        f"{steady['s3_puts_5000_symbols']} at 5,000; 5,000 loaded: {steady['rss_bytes'] / 2**20:.0f} MiB"
    )
    crashes = crash_points.measure(quick=quick)
    print(
        f"crash points: {crashes['crash_points']} tried, {crashes['crash_points_wrong']} wrong; "
        f"{crashes['fuzzed_records']:,} fuzzed records: {crashes['fuzz_stops']} stops"
    )
    latency = end_to_end.measure(10 if quick else 60)
    print(
        f"poll to DynamoDB: p50 {latency['latency_p50_seconds']:.3f} s, p99 {latency['latency_p99_seconds']:.3f} s "
        f"({latency['latency_samples']} quotes); to SNS delivery: p50 {latency['alert_latency_p50_seconds']} s, "
        f"p99 {latency['alert_latency_p99_seconds']} s ({latency['alert_latency_samples']} alerts)"
    )
    return {
        "quick": quick,
        **{name: main_result[name] for name in ("ratio_to_published", "records_per_cpu_second", "calls_per_batch")},
        **cold,
        **looks,
        **steady,
        **latency,
        **crashes,
        "throughput": {str(symbols): result for symbols, result in by_symbols.items()},
    }


if __name__ == "__main__":
    main()
