"""Benchmarks that anybody can run: ours beside others on the same inputs, in one run, with agreement checked."""
