"""Data: sources, the sample held against its study, and the rows each estimate uses."""

from impact.data.sample import Sample, load_sample

__all__ = ["Sample", "load_sample"]
