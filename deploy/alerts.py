"""Have the Prefect server call a webhook when a run of Sim-Arena goes wrong.

    python deploy/alerts.py URL

Told are runs that failed, timed out or crashed, and those that no worker has picked up in time. A
run whose process is gone, and can say nothing any more, is set to Crashed when nothing was heard of
it for ten minutes.
What is sent is `{"text": "..."}`, which Slack, Mattermost and others show as a message. To run it
again changes the address, and nothing is told twice.
"""

import argparse
import sys
from datetime import timedelta

import httpx
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.settings import PREFECT_API_URL

BLOCK = "sim-arena-alerts"
TAG = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.sim-arena"}
ALERTS = {
    "sim-arena: a run went wrong": ("Failed", "TimedOut", "Crashed"),
    # Nobody else can tell: no worker is there to do so.
    "sim-arena: a run is not picked up": ("Late",),
}
GONE = "sim-arena: a run is gone"
# Runs send a sign of life every three minutes (PREFECT_FLOWS_HEARTBEAT_FREQUENCY).
SILENCE = timedelta(minutes=10)

# Names of runs and messages come from traces: no receiver may take a part of them for a mention.
_PAYLOAD = """\
{"text": {{ (
  flow.name ~ ' "' ~ flow_run.name ~ '": ' ~ flow_run.state.name ~ ": "
  ~ (flow_run.state.message or "") ~ " "
) | replace("<", "(") | replace(">", ")") | replace("@", "(at)") | tojson }},
 "run": {{ flow_run.id | string | tojson }}, "url": {{ flow_run | ui_url | tojson }}}
"""


def main() -> None:
    """Make the webhook block and the automations, or change them."""
    parser = argparse.ArgumentParser(prog="python deploy/alerts.py", description=__doc__)
    parser.add_argument("url", metavar="URL", help="where to send alerts")
    url = parser.parse_args().url
    if not url.startswith(("http://", "https://")):
        parser.error(f"expected an address such as https://hooks.example/abc, found {url!r}")
    try:
        make(url)
    except (httpx.HTTPError, RuntimeError) as error:  # the latter where there is no server
        sys.exit(f"the Prefect server at {PREFECT_API_URL.value()} did not take it: {error}")


def make(url: str) -> None:
    """Make what calls a webhook."""
    block = Webhook(url=url, headers={"content-type": "application/json"})
    action = CallWebhook(
        block_document_id=block.save(BLOCK, overwrite=True, _sync=True), payload=_PAYLOAD
    )
    with get_client(sync_client=True) as client:
        for name, states in ALERTS.items():
            put(client, automation(name, states, action))
            print(f"{name}: told to the webhook")
        put(client, gone())
        print(f"{GONE}: set to Crashed")


def automation(name: str, states: tuple[str, ...], action: CallWebhook) -> AutomationCore:
    """Return an automation for runs of Sim-Arena that come into one of some states."""
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in states},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related=TAG,
        for_each={"prefect.resource.id"},  # each run for itself
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return AutomationCore(name=name, trigger=trigger, actions=[action])


def gone(silence: timedelta = SILENCE) -> AutomationCore:
    """Return an automation that sets runs to Crashed of which nothing is heard any more.

    Args:
        silence: after so long, from 10 s on
    """
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*"},  # another one, or any state: some of ours have own names
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related=TAG,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=silence,
    )
    # A run that has ended keeps its state, also where its last sign of life came in after that.
    message = f"nothing was heard of it for {silence.total_seconds():g} s: its process is gone"
    action = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    return AutomationCore(name=GONE, trigger=trigger, actions=[action])


def put(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Make an automation, or replace those of its name."""
    body = wanted.model_dump(mode="json", exclude={"owner_resource"})
    found = client.request(
        "POST", "/automations/filter", json={"automations": {"name": {"any_": [wanted.name]}}}
    ).json()
    if not found:
        client.request("POST", "/automations/", json=body).raise_for_status()
    for one in found:
        client.request("PUT", f"/automations/{one['id']}", json=body).raise_for_status()


if __name__ == "__main__":
    main()
