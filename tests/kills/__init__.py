"""The kill loop: a service and its steps are killed at random moments, and nothing may be lost or doubled.

    python -m tests.kills --kills 10000 --seed 1

errands.py   runs whose end is known before they are submitted
life.py      what the service does between its start and its death
loop.py      forks lives, kills them and what they started, and keeps what was acknowledged
oracle.py    what must be so once a last life went undisturbed
defects.py   safeguards taken away, to show that the loop finds that
"""
