"""Runs the program as Pulumi would, against an engine that only writes down what it is asked for."""

from __future__ import annotations

import asyncio
import contextvars
import runpy
import warnings
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime import settings as runtime
from pulumi.runtime.proto import engine_pb2, resource_pb2
from pulumi.runtime.stack import run_in_stack

from tests.stack import PROJECT, REPO, SECRET_KEYS

with warnings.catch_warnings():
    # The package warns of a resource of its own as soon as it is imported, whoever uses which.
    warnings.simplefilter("ignore", DeprecationWarning)
    import_module("pulumi_command.remote").Command  # noqa: B018 - its modules are loaded by use

STACK = "prod"
IPV4 = "203.0.113.11"
IPV6 = "2001:db8:1::1"

UNKNOWN: str = rpc.UNKNOWN
_MARK = {rpc._special_sig_key: rpc._special_secret_sig}


@dataclass(frozen=True)
class Secret:
    """A value that reaches the engine marked as secret."""

    value: Any


@dataclass(frozen=True)
class Registered:
    """One resource as the engine was asked for it.

    `inputs` holds `UNKNOWN` for what is not known yet, and `Secret` around what is one. `request` has the
    resource's options.
    """

    urn: str
    id: str
    type: str
    name: str
    inputs: dict[str, Any]  # what the wire brings
    request: resource_pb2.RegisterResourceRequest


@dataclass
class Run:
    """What one run of a program asked of the engine."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    resource_hooks: dict[str, pulumi.ResourceHook] = field(default_factory=dict)
    error_hooks: dict[str, pulumi.ErrorHook] = field(default_factory=dict)

    # What Pulumi calls when the program makes a hook.
    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        self.resource_hooks[hook.name] = hook

    def register_error_hook(self, hook: pulumi.ErrorHook) -> None:
        self.error_hooks[hook.name] = hook

    def of(self, kind: str) -> list[Registered]:
        """The resources of a type by its last word, such as `Server`."""
        return [each for each in self.resources if each.type.rpartition(":")[2] == kind]

    def one(self, kind: str, name: str = STACK) -> Registered:
        """The one resource of that type and name."""
        (found,) = [each for each in self.of(kind) if each.name == name]
        return found


def run(
    config: Mapping[str, str],
    *,
    preview: bool = False,
    program: Callable[[], object] | None = None,
    into: Run | None = None,
) -> Run:
    """Run a program, `__main__.py` unless told otherwise, from nothing, and return what it asked for.

    Args:
        config: the stack's configuration by full key, as `tests.stack.config` gives it.
        preview: nothing exists yet, and what a provider would answer is unknown.
        program: what to run instead.
        into: what is filled, for who wants to look at it after an exception.

    Raises:
        Whatever the program raises.
    """
    result = into or Run()

    def main() -> None:
        pulumi.runtime.set_all_config(dict(config), list(SECRET_KEYS))
        runtime.Settings(
            project=PROJECT,
            stack=STACK,
            monitor=_Monitor(result, preview=preview),
            engine=_Engine(result),
            dry_run=preview,
        ).callbacks = result  # in place of a server for the engine's calls
        asyncio.run(run_in_stack(lambda: _returns_none(program or _main)))

    # Pulumi keeps its settings in context variables: in a context of its own, a run leaves nothing behind.
    contextvars.copy_context().run(main)
    return result


def export(**values: pulumi.Input[str]) -> None:
    """Make values outputs of the stack, so that a test sees them."""
    for name, value in values.items():
        pulumi.export(name, value)


def _main() -> None:
    runpy.run_path(str(REPO / "__main__.py"))


def _returns_none(program: Callable[[], object]) -> None:
    program()


class _Monitor(mocks.MockMonitor):
    """The engine's side. Method names are the protocol's."""

    def __init__(self, run: Run, *, preview: bool) -> None:
        super().__init__(_NoProvider())
        self._run = run
        self._preview = preview

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        inputs = _unwrap_all(request.object)
        made = "" if self._preview or not request.custom else _id(urn)
        self._run.resources.append(
            Registered(urn, made, request.type, request.name, inputs, request)
        )
        response = resource_pb2.RegisterResourceResponse(urn=urn, id=made)
        if request.custom:
            response.object.CopyFrom(request.object)
            for key, value in _computed(request.type, request.name, inputs).items():
                answer = UNKNOWN if self._preview else value
                secret = key in request.additionalSecretOutputs
                response.object.update({key: {**_MARK, "value": answer} if secret else answer})
        return response

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> None:
        if request.urn.split("::")[-2] == "pulumi:pulumi:Stack":
            self._run.outputs = _unwrap_all(request.outputs)


class _Engine:
    """Where the program's messages go."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802
        severity = engine_pb2.LogSeverity.Name(request.severity)
        self._run.log.append((severity, request.message))


class _NoProvider(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, object], None]:
        raise AssertionError(f"the program asks a provider: {args.token}")


def _computed(kind: str, name: str, inputs: Mapping[str, object]) -> dict[str, object]:
    """What the provider of a resource would answer, as far as the program reads it."""
    if kind.endswith("RandomBytes"):
        return {"base64": seed(name), "hex": ""}
    if kind.endswith("PrimaryIp"):
        return {"ipAddress": IPV4 if inputs["type"] == "ipv4" else IPV6.removesuffix("1")}
    return {}


def _id(urn: str) -> str:
    return str(int(sha256(urn.encode()).hexdigest()[:8], 16))


def seed(name: str) -> str:
    """The 32 random bytes of an SSH identity of that name, in base64."""
    return b64encode(sha256(name.encode()).digest()).decode()


def _unwrap_all(values: Mapping[str, object]) -> dict[str, Any]:
    return {key: _unwrap(value) for key, value in values.items()}


def _unwrap(value: object) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # on the wire, every number is a float
    if isinstance(value, Mapping):
        plain = _unwrap_all(value)
        return Secret(plain["value"]) if plain.items() >= _MARK.items() else plain
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_unwrap(item) for item in value]
    return value
