"""What the parts of config/ivr.yaml are read with, whoever reads them.

Law: a credential never stands in the file itself: `{env: NAME}` or `{file: path}`. Paths are relative to the file.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from ivr.domain.bills import SERVICES
from ivr.domain.operations import Operation
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.payments.port import Provider
from ivr.runtime.asking import Observe
from ivr.runtime.http_client import HttpSettings

NO_CREDENTIAL: Final = "none"
"""Stands where a credential is missing; nothing connects with it."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where relative paths begin, whether credentials and Asterisk's certificates must be there, and house rules."""

    directory: Path
    credentials: bool
    sip_files: bool = False
    bill_services: Mapping[str, str] = field(default_factory=lambda: SERVICES)
    """Kinds of bills by the digit of their service."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One configured provider: what it can be asked, and how to make its client."""

    operations: Mapping[str, Operation]
    make: Callable[[Observe], Provider]
    codes: Mapping[str, str] = field(default_factory=dict)
    """Its own code for an answer -> the exit that it leads to."""
    invoice_lifetime: float | None = None
    """Seconds after which an invoice that was not paid cannot be paid any more; None where it does not end, or where
    nobody knows."""


ReadProvider = Callable[[Fields, str, Base], ProviderSettings]
"""Reads one provider of a kind: its fields and its name. Raises BadInput for settings that cannot work."""


def read_path(fields: Fields, name: str, base: Base, default: str) -> Path:
    """A path, made absolute."""
    return Path(os.path.normpath(base.directory / fields.text(name, default)))


def read_secret(fields: Fields, name: str, base: Base) -> Secret:
    """A credential from the environment or a file; blamed where neither gives one."""
    node = fields.value(name)
    if node is None:
        return Secret(NO_CREDENTIAL)
    if not isinstance(node, yaml.MappingNode):
        fields.blame(f"'{name}' is a credential: write {{env: NAME}} or {{file: path}}, not the value itself", name)
        return Secret(NO_CREDENTIAL)
    inner = fields.fields(name, f"'{name}'")
    text = ""
    if inner.has("env"):
        variable = inner.text("env")
        text = os.environ.get(variable, "").strip()
        if variable and not text and base.credentials:
            fields.blame(f"the environment has no {variable}", name)
    elif inner.has("file"):
        file = base.directory / inner.text("file")
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        if not text and base.credentials:
            fields.blame(f"{file} cannot be read or is empty", name)
    else:
        inner.blame("a credential is {env: NAME} or {file: path}")
    inner.done()
    return Secret(text or NO_CREDENTIAL)


def read_http(fields: Fields, base: Base) -> HttpSettings:
    """Where a provider is, and how long it is waited for."""
    return HttpSettings(
        base_url=fields.text("base_url"),
        connect_seconds=fields.seconds("connect_timeout", 3.0, most=60),
        read_seconds=fields.seconds("read_timeout", 10.0, most=120),
        pool_seconds=fields.seconds("pool_timeout", 2.0, most=60),
        total_seconds=fields.seconds("total_timeout", 20.0, most=300),
        ca_file=read_ca_file(fields, base),
    )


def read_ca_file(fields: Fields, base: Base) -> str | None:
    """Further certificate authorities; a file that is not there is blamed."""
    ca_file = read_path(fields, "ca_file", base, "") if fields.has("ca_file") else None
    if ca_file is not None and not ca_file.is_file():
        fields.blame(f"there is no file {ca_file}", "ca_file")
    return str(ca_file) if ca_file else None
