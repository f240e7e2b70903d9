"""Faults, proven: a payment is cut off at every write and every network step, and judged from outside.

Only the telephone is ours here. The runtime, the flows, the provider clients and the store are the real ones, and the
providers and the bank are the sandbox's servers, each in a process of its own.
"""
