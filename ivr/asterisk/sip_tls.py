"""`asterisk.sip_tls` of the configuration: our certificate, its key, and whom we believe.

Law: nothing of a key is kept or shown; whether files belong together is asked of OpenSSL, which Asterisk will ask too.
"""

import os
import ssl
import stat
from pathlib import Path

from ivr.asterisk.render.sip import tls_transport
from ivr.asterisk.secrecy import tls_faults
from ivr.asterisk.settings import AsteriskSettings, SipTls
from ivr.domain.errors import BadInput
from ivr.domain.reading import Fields


def read_sip_tls(fields: Fields, settings: AsteriskSettings, directory: Path, *, look: bool) -> SipTls:
    """The settings, faults noted; a stand-in where they could not be rendered beside the others.

    Relative paths begin at `directory`; `look`: the files must be there and fit.
    """
    tls = SipTls(
        certificate=_path(fields, "certificate", directory),
        key=_path(fields, "key", directory),
        ca=_path(fields, "ca", directory) if fields.has("ca") else None,
        bind=fields.text("bind", ""),
        verify=fields.truth("verify", True),
        require_client_certificate=fields.truth("require_client_certificate", False),
    )
    weak = list(tls_faults(tls))
    for name, fault in weak:
        fields.blame(f"'{name}' {fault}", name)
    if look and tls.certificate and tls.key:
        _look_at_ours(fields, Path(tls.certificate), Path(tls.key))
    if look and tls.ca:
        _look_at_ca(fields, Path(tls.ca))
    fields.done()
    try:
        if tls.certificate and tls.key and not weak:
            tls_transport(settings, tls)
            return tls
    except BadInput as exc:
        fields.blame(str(exc))
    return SipTls("/absent", "/absent", verify=False)


def _path(fields: Fields, name: str, directory: Path) -> str:
    text = fields.text(name)
    return os.path.normpath(directory / text) if text else ""


def _look_at_ours(fields: Fields, certificate: Path, key: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if not all([_readable(fields, "certificate", certificate), _readable(fields, "key", key)]):
        return
    if key.stat().st_mode & stat.S_IROTH:
        fields.blame(f"everybody on this machine can read {key}: chmod o= it", "key")
    if not _holds(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate):
        fields.blame(f"{certificate} holds no certificate in PEM", "certificate")
        return
    try:
        # With a passphrase, OpenSSL would ask the terminal; Asterisk has nobody to ask.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as exc:
        mismatch = exc.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
        fields.blame(
            f"{key} is not the key of {certificate}" if mismatch else f"{key} holds no key in PEM without a passphrase",
            "key",
        )


def _look_at_ca(fields: Fields, ca: Path) -> None:
    if _readable(fields, "ca", ca) and not _holds(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca):
        fields.blame(f"{ca} holds no certificate in PEM", "ca")


def _holds(context: ssl.SSLContext, file: Path) -> bool:
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        return False
    return True


def _readable(fields: Fields, name: str, file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as exc:
        fields.blame(f"{file} cannot be read: {exc.strerror}", name)
        return False
    return True
