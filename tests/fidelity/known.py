"""Scenarios that disagree for a reason that is known; whoever removes the reason empties this."""

KNOWN = {246: "PodTopologySpread's default constraints are not scored yet"}
