"""A server's way from order to removal, and the machine's with it.

A server's status on disk says what was meant, so that it alone tells how to go on after the
sandbox was down: see `resume`.
"""

from __future__ import annotations

import logging

from .actions import Actions, finish, is_running
from .machines import Machines
from .records import Action, Server, ServerStatus
from .state import State

log = logging.getLogger(__name__)


class Power:
    """Starts and stops servers, each time as an action."""

    def __init__(self, state: State, machines: Machines, actions: Actions) -> None:
        self._state = state
        self._machines = machines
        self._actions = actions

    def status(self, server: Server) -> ServerStatus:
        """The status, after a look at whether the system has switched itself off meanwhile."""
        if not self._actions.locked("server", server.id):
            _look(self._state, self._machines, server)
        return server.status

    def create(self, server: Server, *, start: bool) -> tuple[Action, list[Action]]:
        """Take a new server in; the actions of its creation and of its start."""
        _save(self._state, server, "initializing" if start else "off")
        created = self._actions.begin("create_server", ("server", server.id))
        if not start:
            return created, []
        return created, [self._start(server, "start_server")]

    def on(self, server: Server) -> Action:
        """Switch on; does nothing to a server that is running."""
        if self.status(server) == "off":
            _save(self._state, server, "starting")
        return self._start(server, "start_server")

    def _start(self, server: Server, command: str) -> Action:
        async def act() -> None:
            await start(self._state, self._machines, server)

        return self._actions.begin(command, ("server", server.id), act=act)

    def off(self, server: Server) -> Action:
        """Cut the power."""

        async def act() -> None:
            try:
                await self._machines.power_off(server.id)
            except Exception:
                _save(self._state, server, before)
                raise
            _save(self._state, server, "off")

        before = self.status(server)
        if before == "running":
            _save(self._state, server, "stopping")
        return self._actions.begin("stop_server", ("server", server.id), act=act)

    def shutdown(self, server: Server) -> Action:
        """Ask the system to stop. The action ends when it was asked; the status follows later."""

        async def act() -> None:
            if self._machines.running(server.id):
                await self._machines.shutdown(server.id)

        return self._actions.begin("shutdown_server", ("server", server.id), act=act)

    def reset(self, server: Server, command: str) -> Action:
        """Cut the power and start again."""

        async def act() -> None:
            await self._machines.reset(server.id)
            _save(self._state, server, "running")

        return self._actions.begin(command, ("server", server.id), act=act)

    def change_type(self, server: Server) -> Action:
        """Start a server whose type has been changed while it was off."""
        _save(self._state, server, "migrating")
        return self._start(server, "change_server_type")

    def delete(self, server: Server) -> Action:
        """Remove a server, its machine, and what it holds."""

        async def act() -> None:
            await remove(self._state, self._machines, server)

        _save(self._state, server, "deleting")
        return self._actions.begin("delete_server", ("server", server.id), act=act)


async def start(state: State, machines: Machines, server: Server) -> None:
    """Start a server's machine, and make it first where there is none. A failure leaves it off."""
    try:
        await machines.firewall(server.id, state.firewall_rules(server.id))
        if server.has_disk:
            await machines.power_on(server.id)
        else:
            await _make(state, machines, server)
    except Exception:
        _save(state, server, "off")
        raise
    server.has_disk = True
    _save(state, server, "running")


async def _make(state: State, machines: Machines, server: Server) -> None:
    try:
        await machines.create(state.spec(server))
    except Exception:
        await machines.delete(server.id)
        raise


async def remove(state: State, machines: Machines, server: Server) -> None:
    """Remove a server's machine, then free its primary IPs and firewalls, then forget it."""
    await machines.delete(server.id)
    for ip in state.primary_ips:
        if ip.assignee_id == server.id:
            if ip.auto_delete:
                state.primary_ips.delete(ip.id)
            else:
                ip.assignee_id = None
                state.primary_ips.save(ip)
    for firewall in state.firewalls:
        if server.id in firewall.servers:
            firewall.servers.remove(server.id)
            state.firewalls.save(firewall)
    state.machines.delete(server.id)


def settle(state: State, machines: Machines) -> None:
    """Write down which systems have switched themselves off.

    To be called before the machines are stopped together with the sandbox: what is off by then
    stays off when it comes back.
    """
    for server in state.machines:
        _look(state, machines, server)


def _look(state: State, machines: Machines, server: Server) -> None:
    if server.status == "running" and not machines.running(server.id):
        _save(state, server, "off")


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
            failures[server.id] = failure
    for action in state.actions:
        if is_running(action):
            finish(state, action, failures.get(action.resources[0].id))


async def _continue(state: State, machines: Machines, server: Server) -> None:
    match server.status:
        case "off":
            pass
        case "stopping":
            _save(state, server, "off")
        case "deleting":
            await remove(state, machines, server)
        case "running" | "starting" | "migrating" | "initializing":
            if not server.has_disk:
                # Half of a disk may be left of the creation that was interrupted.
                await machines.delete(server.id)
            await start(state, machines, server)


def _save(state: State, server: Server, status: ServerStatus) -> None:
    server.status = status
    state.machines.save(server)
