"""The Gymnasium environments: importing this package registers them.

`gymnasium.make("SimArena-v0")` after `import sim_arena.envs`, or at once
`gymnasium.make("sim_arena.envs:SimArena-v0")`; `gymnasium.make_vec` makes the vector form.
"""

import gymnasium

from sim_arena.envs.arena import SimArenaEnv
from sim_arena.envs.problems import Problem

__all__ = ["ENV_ID", "Problem", "SimArenaEnv"]

ENV_ID = "SimArena-v0"

if ENV_ID not in gymnasium.registry:
    gymnasium.register(
        id=ENV_ID,
        entry_point="sim_arena.envs.arena:SimArenaEnv",
        vector_entry_point="sim_arena.envs.vector:SimArenaVectorEnv",
    )
