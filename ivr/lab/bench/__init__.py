"""How much a paid call costs, and how long a caller waits after a key: three ways of doing the same, side by side.

(a) a hand-written dialplan with Read and CURL, (b) FastAGI with panoramisk, (c) this application over ARI. The same
callers, prompts, provider and bank for all three, in one run: `make bench`.
"""
