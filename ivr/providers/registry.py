"""The kinds of provider that a configuration can name, one line each."""

from collections.abc import Mapping
from typing import Final

from ivr.providers import inoti, paystar_mellat, paystar_saman, pod, web_gateway
from ivr.runtime.configured import ReadProvider

KINDS: Final[Mapping[str, ReadProvider]] = {
    "paystar_saman": paystar_saman.read_settings,
    "paystar_mellat": paystar_mellat.read_settings,
    "web_gateway": web_gateway.read_settings,
    "pod": pod.read_settings,
    "inoti": inoti.read_settings,
}
