"""The evaluation: many photographs, many methods, every measure, with intervals. `run.py` puts the parts in order."""
