"""The kinds of provider that a configuration can name, one line each."""

from collections.abc import Mapping
from typing import Final

from ivr.providers import paystar_saman
from ivr.runtime.configured import ReadProvider

KINDS: Final[Mapping[str, ReadProvider]] = {
    "paystar_saman": paystar_saman.read_settings,
}
