"""SIPp's two scenarios: the caller who pays, and the bank that answers.

Law: nothing in them depends on the way that is measured. Keys travel as RFC 4733 events, payload type 96, as SIPp sends
them.
"""

from string import Template
from typing import Final

from ivr.lab.bench import settings
from ivr.lab.bench.outside import FIRST_INVOICE

_KEYS: Final = len(str(FIRST_INVOICE)) + 1


def caller() -> str:
    """Dials, keys field 0 of the list and #, agrees with 1, and hangs up when it should have heard that it is paid.

    Then it writes `invoice seconds microseconds` into its log.
    """
    return _CALLER.substitute(
        think=_ms(settings.THINK_SECONDS),
        until_agreed=_ms(settings.keying_seconds(_KEYS) + settings.LISTEN_SECONDS - settings.LEAD_SECONDS),
        until_hung_up=_ms(settings.HANGS_UP_AFTER),
    )


def bank() -> str:
    """Answers, writes `merchant transaction amount` into its log, and hangs up after a moment."""
    return _BANK.substitute(talk=_ms(settings.BANK_SECONDS))


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


_CALLER: Final = Template("""<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field1]@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:[field1]@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=caller 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 96
a=rtpmap:8 PCMA/8000
a=rtpmap:96 telephone-event/8000
a=fmtp:96 0-15

]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field1]@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <pause milliseconds="$think"/>
  <nop><action><exec play_dtmf="[field0]#"/></action></nop>
  <pause milliseconds="$until_agreed"/>
  <nop><action><exec play_dtmf="1"/></action></nop>
  <pause milliseconds="$until_hung_up"/>
  <nop>
    <action>
      <gettimeofday assign_to="seconds,microseconds"/>
      <log message="[field0] [$$seconds] [$$microseconds]"/>
    </action>
  </nop>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field1]@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
""")

_BANK: Final = Template("""<?xml version="1.0" encoding="UTF-8"?>
<scenario name="bank">
  <recv request="INVITE" rrs="true">
    <action>
      <ereg regexp="sip:([0-9]+)[*]([0-9]+)[*]([0-9]+)@" search_in="hdr" header="From:" check_it="true"
            assign_to="all,phone,merchant,transaction"/>
      <ereg regexp="[0-9]+" search_in="hdr" header="Amount:" check_it="true" assign_to="amount"/>
      <log message="[$$merchant] [$$transaction] [$$amount]"/>
    </action>
  </recv>
  <Reference variables="all,phone"/>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]b[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:bank@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=bank 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000

]]></send>
  <recv request="ACK" rrs="true">
    <action>
      <ereg regexp=".+" search_in="hdr" header="From:" check_it="true" assign_to="far"/>
      <ereg regexp=".+" search_in="hdr" header="To:" check_it="true" assign_to="near"/>
    </action>
  </recv>
  <pause milliseconds="$talk"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: [$$near]
To: [$$far]
[last_Call-ID:]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
""")
