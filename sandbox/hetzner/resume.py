"""The machines after the sandbox was down, and before it goes down."""

from __future__ import annotations

import logging

from .actions import finish, is_running
from .lifecycle import look, mark, remove, see, start
from .machines import Machines
from .records import Server
from .state import State

log = logging.getLogger(__name__)


def settle(state: State, machines: Machines) -> None:
    """Write down which systems have switched themselves off.

    To be called before the machines are stopped together with the sandbox: what is off by then
    stays off when it comes back.
    """
    for server in state.machines:
        look(state, machines, server)


async def resume(state: State, machines: Machines) -> None:
    """Bring the machines to what the state on disk says, and end the actions that were running.

    To be awaited before the API is served. What was on its way arrives: a server that was being
    created is made again from the start, one that was running is started, one that was being
    deleted goes. An action whose server cannot be brought there ends as an error.
    """
    failures: dict[int, Exception] = {}
    for server in state.machines:
        try:
            await _continue(state, machines, server)
        except Exception as failure:  # one machine that fails must not keep the others down
            log.exception("server %d (%s) could not be resumed", server.id, server.name)
            see(state, machines, server)
            failures[server.id] = failure
    for action in state.actions:
        if is_running(action):
            finish(state, action, failures.get(action.resources[0].id))


async def _continue(state: State, machines: Machines, server: Server) -> None:
    match server.status:
        case "off":
            pass
        case "stopping":
            mark(state, server, "off")
        case "deleting":
            await remove(state, machines, server)
        case "running" | "starting" | "migrating" | "initializing" | "rebuilding":
            unchanged = server.status == "migrating"
            if not server.has_disk:
                # Half of a disk may be left of the creation that was interrupted.
                await machines.delete(server.id)
            await start(state, machines, server)
            if unchanged:
                raise RuntimeError("the type was not changed: the sandbox went down")
