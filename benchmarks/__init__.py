"""What is measured, and against what. `python -m benchmarks` prints it; nothing fails on a time."""
