"""What runs: Prefect flows, one a file, and the command line.

Each flow is called from Python like any function:

    from flows.episode import episode

    result = episode(trace="traces/demo/001-cpu-over-node.sktrace", deploy="frontend", target=3)
"""
