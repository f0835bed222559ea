"""Actions: what the API does after it has answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from fnmatch import fnmatchcase

from .errors import ApiError
from .records import Action, ActionFailure, Resource, now
from .state import State

log = logging.getLogger(__name__)

Act = Callable[[], Awaitable[None]]

doomed: ContextVar[str] = ContextVar("doomed", default="")
"""A glob for the commands of those actions of the present request that are to fail."""


async def nothing() -> None:
    """The act of an action whose effect was there at once."""


async def _fail() -> None:
    raise RuntimeError("the action was ordered to fail")


class Actions:
    """Runs the act of each action in the background.

    Every action is seen running first. It succeeds when its act has ended, and `delay` seconds
    have passed; if the act raises, it ends as an error with the exception's text, and what the
    request had changed at once is undone.
    """

    def __init__(self, state: State, delay: float = 0.05) -> None:
        self._state = state
        self._delay = delay
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self,
        command: str,
        *resources: tuple[str, int],
        act: Act = nothing,
        undo: Callable[[], None] | None = None,
    ) -> Action:
        """Start an action on these resources (type and id) and return it, still running.

        It locks the first of them until it ends.
        """
        action = Action(
            id=self._state.new_id(),
            command=command,
            resources=[Resource(type=kind, id=number) for kind, number in resources],
        )
        self._state.actions.save(action)
        if fnmatchcase(command, doomed.get()):
            act = _fail
        task = asyncio.ensure_future(self._run(act, undo, action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return action

    def locked(self, kind: str, number: int) -> bool:
        """Whether an action is running on a resource."""
        first = (action.resources[0] for action in self._state.actions if is_running(action))
        return any(r.type == kind and r.id == number for r in first)

    def check_unlocked(self, kind: str, number: int) -> None:
        """Raise ApiError `locked` while an action is running on a resource."""
        if self.locked(kind, number):
            raise ApiError("locked", f"{kind} {number} is locked: an action is running on it")

    async def close(self) -> None:
        """Abandon what is running; on disk it stays running, for `resume` to settle."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, act: Act, undo: Callable[[], None] | None, action: Action) -> None:
        try:
            await asyncio.sleep(self._delay)
            await act()
        except Exception as failure:  # whatever a machine raises is this action's error
            log.exception("action %s (%d) failed", action.command, action.id)
            if undo is not None:
                undo()
            finish(self._state, action, failure)
        else:
            finish(self._state, action)


def finish(state: State, action: Action, failure: Exception | None = None) -> None:
    """Record how an action ended."""
    action.finished = now()
    action.progress = 100
    if failure is None:
        action.status = "success"
    else:
        action.status = "error"
        action.error = ActionFailure(code="action_failed", message=str(failure) or "failed")
    state.actions.save(action)


def of(state: State, kind: str, number: int | None = None) -> list[Action]:
    """The actions of one resource, or of all resources of a type."""
    return [
        action
        for action in state.actions
        if any(r.type == kind and number in (None, r.id) for r in action.resources)
    ]


def is_running(action: Action) -> bool:
    """Whether an action has not ended yet."""
    return action.status == "running"
