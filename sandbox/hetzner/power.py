"""What is done to a server, each time as an action."""

from __future__ import annotations

from .actions import Act, Actions
from .lifecycle import look, mark, remove, see, start
from .machines import Machines
from .records import Action, Server, ServerStatus
from .state import State


class Power:
    """Starts and stops servers, each time as an action."""

    def __init__(self, state: State, machines: Machines, actions: Actions) -> None:
        self._state = state
        self._machines = machines
        self._actions = actions

    def status(self, server: Server) -> ServerStatus:
        """The status, after a look at whether the system has switched itself off meanwhile."""
        if not self._actions.locked("server", server.id):
            look(self._state, self._machines, server)
        return server.status

    def create(self, server: Server, *, start: bool) -> tuple[Action, list[Action]]:
        """Take a new server in; the actions of its creation and of its start."""
        created = self._actions.begin("create_server", ("server", server.id))
        if not start:
            mark(self._state, server, "off")
            return created, []
        return created, [self._start(server, "initializing")]

    def on(self, server: Server) -> Action:
        """Switch on; does nothing to a server that is running."""
        return self._start(server, "starting" if self.status(server) == "off" else None)

    def _start(self, server: Server, meanwhile: ServerStatus | None) -> Action:
        async def act() -> None:
            await start(self._state, self._machines, server)

        return self._begin("start_server", server, act, meanwhile)

    def off(self, server: Server) -> Action:
        """Cut the power."""

        async def act() -> None:
            await self._machines.power_off(server.id)
            mark(self._state, server, "off")

        meanwhile: ServerStatus | None = "stopping" if self.status(server) == "running" else None
        return self._begin("stop_server", server, act, meanwhile)

    def shutdown(self, server: Server) -> Action:
        """Ask the system to stop. The action ends when it was asked; the status follows later."""

        async def act() -> None:
            if self._machines.running(server.id):
                await self._machines.shutdown(server.id)

        return self._actions.begin("shutdown_server", ("server", server.id), act=act)

    def reboot(self, server: Server) -> Action:
        """Ask the system to restart. The action ends when it was asked."""

        async def act() -> None:
            await self._machines.reboot(server.id)

        return self._actions.begin("reboot_server", ("server", server.id), act=act)

    def reset(self, server: Server) -> Action:
        """Cut the power and start again."""

        async def act() -> None:
            await self._machines.reset(server.id)
            mark(self._state, server, "running")

        return self._actions.begin("reset_server", ("server", server.id), act=act)

    def rebuild(self, server: Server, image_id: int, user_data: str) -> Action:
        """Start again from a new disk with this image; addresses and keys stay."""

        async def act() -> None:
            server.image_id, server.user_data = image_id, user_data
            made, server.has_disk = server.has_disk, False
            mark(self._state, server, "rebuilding")
            make = self._machines.rebuild if made else self._machines.create
            await start(self._state, self._machines, server, make)

        return self._begin("rebuild_server", server, act, "rebuilding")

    def change_type(self, server: Server, name: str, disk_gigabytes: int) -> Action:
        """Give a server that is off another type, let its disk grow, and start it."""

        async def act() -> None:
            if server.has_disk and disk_gigabytes > server.disk_gigabytes:
                await self._machines.resize(server.id, disk_gigabytes)
            server.server_type, server.disk_gigabytes = name, disk_gigabytes
            mark(self._state, server, "starting")
            await start(self._state, self._machines, server)

        return self._begin("change_server_type", server, act, "migrating")

    def delete(self, server: Server) -> Action:
        """Remove a server, its machine, and what it holds."""

        async def act() -> None:
            await remove(self._state, self._machines, server)

        return self._begin("delete_server", server, act, "deleting")

    def _begin(
        self, command: str, server: Server, act: Act, meanwhile: ServerStatus | None = None
    ) -> Action:
        """Begin an action of a server, which has the status `meanwhile` until it has ended."""

        def undo() -> None:
            see(self._state, self._machines, server)

        if meanwhile is not None:
            mark(self._state, server, meanwhile)
        return self._actions.begin(command, ("server", server.id), act=act, undo=undo)
