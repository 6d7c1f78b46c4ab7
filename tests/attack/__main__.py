"""Run all attacks, or the seeded fuzz alone, by `python -m attack [fuzz]`; write a summary, and exit with 1 on a fault.

Environment: ATTACK_SEED and ATTACK_INPUTS for all attacks, FUZZ_SEED and FUZZ_INPUTS for the fuzz alone, ATTACK_READERS for
some readers by name, separated by commas.
"""

import json
import os
import sys
from pathlib import Path

from attack.fuzz import fuzz, is_clean
from attack.handmade import ROOT, run_cases, run_tests

INPUTS = {"ATTACK": 5_000, "FUZZ": 20_000}
_SUMMARIES = ROOT / "docs" / "benchmarks"


def main(arguments: list[str]) -> int:
    """Run the attacks; return 1 where a fault was found, 2 for wrong arguments, else 0."""
    if arguments not in ([], ["fuzz"]):
        sys.stderr.write("usage: python -m attack [fuzz]\n")
        return 2
    alone = bool(arguments)
    prefix = "FUZZ" if alone else "ATTACK"
    seed, inputs = int(os.environ.get(f"{prefix}_SEED", "0")), int(os.environ.get(f"{prefix}_INPUTS", str(INPUTS[prefix])))
    readers = [name for name in os.environ.get("ATTACK_READERS", "").split(",") if name]
    report = fuzz(seed, inputs, readers, keep=ROOT / "out" / "attack")
    clean = is_clean(report)
    if not alone:
        report["hand_made"] = {"tests": run_tests(), "cases": run_cases()}
        clean = clean and not any(part["failed"] for part in report["hand_made"].values())
    written = Path(os.environ.get(f"{prefix}_SUMMARY", str(_SUMMARIES / f"{prefix.lower()}.json")))
    written.write_text(json.dumps(report, indent=2) + "\n")
    verdict = "no fault was found" if clean else "FAULTS were found: the inputs are in out/attack"
    sys.stdout.write(f"{json.dumps(report, indent=2)}\n{verdict}; the summary is {written}\n")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
