"""The benches run: what nobody runs breaks unseen."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.prove
def test_the_bench_of_the_api_measures_ours_and_the_peer():
    environment = os.environ | {"PYTHONPATH": str(BENCH), "PYTHONSAFEPATH": "1", "BENCH_QUICK": "1"}
    ran = subprocess.run(
        [sys.executable, BENCH / "api.py", "--pairs", "1"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    measured = re.findall(r"^ +(ours|ours, cached|FastAPI) +[\d,]+ \[", ran.stdout, re.MULTILINE)
    assert measured == [*2 * ["ours", "ours, cached", "FastAPI"], *2 * ["ours", "FastAPI"]]
