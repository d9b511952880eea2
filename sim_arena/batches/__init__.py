"""Many episodes on the embedded cluster at once, as far as they have things in common.

Thousands of episodes see and do few different things: a few hundred observations, a few hundred
edits. The engine simulates every window of every episode; what Python makes of it (observations,
decisions, edited traces, rewards) is made once and shared by all to whom it happens.
"""
