"""Which modules Asterisk loads: only what a call of ours uses. Everything else stays out, and with it its faults."""

from collections.abc import Sequence
from typing import Final

from ivr.asterisk.render.text import File, Section, name
from ivr.asterisk.settings import AsteriskSettings
from ivr.domain.errors import BadInput

CODECS: Final = {"alaw": "codec_alaw", "ulaw": "codec_ulaw", "g722": "codec_g722", "gsm": "codec_gsm"}
"""The codecs a trunk may list, and the module that translates each."""

BENCH_MODULES: Final = (
    "app_dial",
    "app_exec",
    "app_read",
    "app_verbose",
    "func_base64",
    "func_curl",
    "func_json",
    "func_logic",
    "func_strings",
    "res_agi",
    "res_curl",
    "res_speech",
)
"""What a hand-written dialplan needs to do the same work: for the benchmark."""

_AGI_MODULES: Final = ("res_speech", "res_agi", "app_dial", "app_stack", "func_dialplan", "func_hangupcause")
"""What calls that come by AGI() use."""

_SRTP_MODULES: Final = ("res_srtp",)
"""What encrypted sound uses; TLS is a part of res_pjsip."""
_AGENT_MODULES: Final = (
    "app_dial",
    "app_mixmonitor",
    "app_queue",
    "app_stack",
    "app_userevent",
    "bridge_builtin_features",
    "bridge_builtin_interval_features",
    "chan_bridge_media",
    "func_devstate",
    "res_musiconhold",
    "res_pjsip_refer",
    "res_pjsip_registrar",
    "res_pjsip_dialog_info_body_generator",
    "res_stasis_snoop",
)
"""What agents' calls use besides the modules of every call."""

_AMI_MODULES: Final = ("res_manager_devicestate",)
"""What our actions need besides Asterisk itself; recordings and queues bring their own."""

_MODULES: Final = (
    # what the others stand on
    "res_timing_timerfd",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_sorcery_astdb",
    "res_pjproject",
    # SIP
    "res_pjsip",
    "res_pjsip_session",
    "res_pjsip_pubsub",  # asked for by chan_pjsip
    "res_pjsip_sdp_rtp",
    "res_pjsip_caller_id",
    "res_pjsip_header_funcs",
    "res_pjsip_authenticator_digest",
    "res_pjsip_outbound_authenticator_digest",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_nat",
    "res_pjsip_rfc3326",
    "res_pjsip_logger",
    "chan_pjsip",
    "func_pjsip_endpoint",
    "res_rtp_asterisk",
    # calls and their sound
    "bridge_simple",
    "bridge_native_rtp",
    "bridge_softmix",
    "bridge_holding",
    "codec_a_mu",
    "codec_alaw",
    "codec_ulaw",
    "codec_resample",
    "format_pcm",
    "format_sln",
    "format_wav",
    # the dialplan
    "pbx_config",
    "app_playback",
    "app_stasis",
    "app_stasis_broadcast",
    "func_callerid",
    "func_channel",
    "func_hangupcause",
    "func_talkdetect",
    # ARI
    "res_http_websocket",
    "res_websocket_client",
    "res_stasis",
    "res_stasis_answer",
    "res_stasis_broadcast",
    "res_stasis_device_state",
    "res_stasis_playback",
    "res_stasis_recording",
    "res_stasis_snoop",
    "res_ari",
    "res_ari_model",
    "res_ari_applications",
    "res_ari_asterisk",
    "res_ari_bridges",
    "res_ari_channels",
    "res_ari_device_states",
    "res_ari_endpoints",
    "res_ari_events",
    "res_ari_playbacks",
    "res_ari_recordings",
    "res_ari_sounds",
)


def modules_file(settings: AsteriskSettings, extra: Sequence[str] = ()) -> File:
    """modules.conf: ours, those of the trunks' and phones' codecs and the extra ones, each once."""
    codecs = [codec for trunk in settings.trunks for codec in trunk.codecs]
    codecs += [codec for agent in settings.agents for codec in agent.codecs]
    wanted = [*_MODULES, *(codec_module(codec) for codec in codecs)]
    wanted += _SRTP_MODULES if any(trunk.srtp for trunk in settings.trunks) else ()
    wanted += _AGI_MODULES if settings.agi is not None else ()
    wanted += _AGENT_MODULES if settings.has_people else ()
    wanted += _AMI_MODULES if settings.ami is not None else ()
    wanted += [name(one.removesuffix(".so"), "a module") for one in extra]
    return File(
        "modules.conf",
        (Section("modules", (("autoload", "no"), *(("load", f"{one}.so") for one in dict.fromkeys(wanted)))),),
    )


def codec_module(codec: str) -> str:
    """The module that translates this codec; BadInput for one that we cannot play a prompt in."""
    if codec not in CODECS:
        raise BadInput(f"codec {codec!r} is not one of {', '.join(CODECS)}")
    return CODECS[codec]
