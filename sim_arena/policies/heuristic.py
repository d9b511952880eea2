"""placeholder"""
class HeuristicPolicy:
    """Acts."""
    def get_action(self, obs, deploy):
        return {"type": "noop", "deploy": deploy}
