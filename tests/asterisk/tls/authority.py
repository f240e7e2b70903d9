"""Who signs certificates in these tests, and what is signed: made anew, by `openssl`, and gone with the test."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path


class Authority:
    """One that is believed, or not."""

    def __init__(self, name: str, directory: Path) -> None:
        self._directory = directory / name
        self._directory.mkdir(parents=True)
        self._own = Pair(self._directory / "ca.pem", self._directory / "ca.key")
        _openssl("req", "-x509", *_new_key(self._own.key), "-out", self._own.certificate, "-subj", f"/CN={name}")

    @property
    def certificate(self) -> Path:
        """What those who believe it have."""
        return self._own.certificate

    def signs(self, name: str, address: str) -> Pair:
        """A certificate for whoever is at this address."""
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        extension = f"subjectAltName=IP:{address}"
        signer = ("-CA", self._own.certificate, "-CAkey", self._own.key)
        ends = ("-addext", "basicConstraints=critical,CA:FALSE")
        _openssl("req", "-x509", *_new_key(pair.key), "-out", pair.certificate, "-subj", f"/CN={name}",
                 "-addext", extension, *ends, *signer)  # fmt: skip
        return pair


def _new_key(path: Path) -> tuple[str | Path, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path, "-days", "2")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
