"""The task `decide`: ask the policy for an action."""

from sim_arena import verbs
from sim_arena.actions import Action
from sim_arena.observation import Observation
from sim_arena.policies import Policy
from sim_arena.spec import EpisodeSpec
from tasks.options import verb

__all__ = ["decide"]


@verb(lambda given: f"{given['spec'].policy} decides", touches_cluster=False)
def decide(spec: EpisodeSpec, policy: Policy, observation: Observation) -> Action:
    """Ask the policy for an action. See `sim_arena.verbs.decide`."""
    return verbs.decide(spec, policy, observation)
