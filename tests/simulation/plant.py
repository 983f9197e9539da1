"""Plants the mutant that the environment names for the whole of a test run: pytest -p tests.simulation.plant"""

from __future__ import annotations

import os

from tests.simulation.hunt import PLANT
from tests.simulation.mutants import MUTANTS, planted

_planted = planted(*(mutant for mutant in MUTANTS if mutant.name == os.environ.get(PLANT)))
_planted.__enter__()
