"""An office as an experienced admin writes it by hand, with ours included where one line belongs.

Own contexts, a 9 for a line, call forward, a queue, voicemail, a menu for callers from outside,
pickup, and two trunks of which the second is dialled where the first fails.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialplan.render import AsteriskConfig, Gate, rendered_dialplan
from lab.carrier import Carrier
from lab.office import Office
from lab.paid_office import PaidOffice

MODULES = (
    "app_exec", "app_queue", "app_voicemail", "app_directed_pickup", "app_read", "app_verbose",
    "res_musiconhold", "func_devstate",
)  # fmt: skip
PHONES = "phones"  # the phones' context
BACKUP = "backup"  # the second trunk

EXTENSIONS = """
[general]
static = yes
writeprotect = no

[globals]
MAIN = PJSIP/trunk

[phones]
include => tollgate-emergency
include => internal
include => services
include => tollgate

[internal]
exten => _100[12],1,Gosub(ring,s,1(${EXTEN}))
exten => 600,1,Answer()
 same => n,Queue(sales,,,,20)
 same => n,Hangup()

[ring]
exten => s,1,Set(LOCAL(forward)=${DB(forward/${ARG1})})
 same => n,GotoIf($["${forward}" != ""]?forward)
 same => n,Gosub(tollgate-phone-contacts,s,1(${ARG1}))
 same => n,GotoIf($[${LEN(${GOSUB_RETVAL})} = 0]?away)
 same => n,Dial(${GOSUB_RETVAL},20,i)
 same => n(away),Set(LOCAL(greeting)=${IF($["${DIALSTATUS}" = "BUSY"]?b:u)})
 same => n,VoiceMail(${ARG1}@default,${greeting})
 same => n,Hangup()
 same => n(forward),Dial(Local/${forward}@phones/n,30)
 same => n,Hangup()

; A queue rings a phone as everybody does.
[ring-one]
exten => _100[12],1,Gosub(tollgate-phone-contacts,s,1(${EXTEN}))
 same => n,GotoIf($[${LEN(${GOSUB_RETVAL})} = 0]?away)
 same => n,Dial(${GOSUB_RETVAL},20,i)
 same => n(away),Hangup(20)

[services]
exten => *97,1,VoiceMailMain(${CALLERID(num)}@default)
 same => n,Hangup()
exten => _*8XXXX,1,Pickup(${EXTEN:2}@internal)
 same => n,Hangup()
exten => _*72X.,1,Set(DB(forward/${CHANNEL(endpoint)})=${FILTER(0-9,${EXTEN:3})})
 same => n,Hangup()
exten => *73,1,NoOp(${DB_DELETE(forward/${CHANNEL(endpoint)})})
 same => n,Hangup()
exten => _9X.,1,Goto(tollgate,${FILTER(+0-9,${EXTEN:1})},1)

[from-trunk]
exten => 5000,1,Goto(menu,s,1)
exten => _500X,1,Goto(internal,100${EXTEN:3},1)

[menu]
exten => s,1,Answer()
 same => n,WaitExten(5)
exten => 1,1,Goto(internal,600,1)
exten => _100X,1,Goto(internal,${EXTEN},1)
exten => t,1,Goto(internal,1001,1)
exten => i,1,Hangup()

"""
TRUNK_CONTEXTS = """
[tollgate-trunk]
exten => s,1,GotoIf($["${TOLLGATE_PAID_MS}" = "included"]?included)
 same => n,Gosub(paid-leg,s,1(trunk))
 same => n,GotoIf($["${DIALSTATUS}" = "CONGESTION" | "${DIALSTATUS}" = "CHANUNAVAIL"]?:done)
 same => n,Gosub(paid-leg,s,1(backup))
 same => n(done),Return()
 same => n(included),Dial(PJSIP/${TOLLGATE_DIAL}@trunk,20,gi)
 same => n,Return()

[paid-leg]
exten => s,1,Set(LOCAL(limit)=${IF($["${DIALSTATUS}" = "ANSWER"]?0:${TOLLGATE_PAID_MS})})
 same => n,Dial(PJSIP/${TOLLGATE_DIAL}@${ARG1},20,giL(${limit}))
 same => n,Return()

[tollgate-emergency-trunk]
exten => s,1,Dial(PJSIP/${ARG1}@emergency,,i)
 same => n,GotoIf($["${DIALSTATUS}" = "CONGESTION" | "${DIALSTATUS}" = "CHANUNAVAIL"]?:done)
 same => n,Dial(PJSIP/${ARG1}@backup,,i)
 same => n(done),Return()
"""
QUEUES = "[sales]\nstrategy = ringall\nmember => Local/1002@ring-one/n\n"
VOICEMAIL = "[general]\nformat = wav\n[default]\n1001 => 1234,First\n1002 => 1234,Second\n"
BACKUP_ENDPOINT = """
[backup]
type = endpoint
context = from-trunk
identify_by = ip
transport = udp
disallow = all
allow = alaw,ulaw
aors = backup
direct_media = no
rtp_symmetric = yes
media_address = {media}
allow_transfer = no
rtp_timeout = 60
rtp_timeout_hold = 600
timers = no
[backup]
type = aor
contact = sip:{host}:{port}
"""


@asynccontextmanager
async def admins_office(paid: PaidOffice) -> AsyncIterator[Carrier]:
    """Let the admin move into a running office; the second carrier."""
    office = paid.office
    async with backup_carrier(paid) as second:
        _write(office.config, second)
        for module in MODULES:
            await office.asterisk.cli(f"module load {module}.so")
        for command in ("module reload res_pjsip.so", "dialplan reload", "queue reload all"):
            await office.asterisk.cli(command)
        yield second


@asynccontextmanager
async def backup_carrier(paid: PaidOffice) -> AsyncIterator[Carrier]:
    """Another carrier, with an address of its own."""
    office = paid.office
    host = office.addresses.next()
    async with Carrier(office.telephony, office.folder / BACKUP, address=host) as second:
        yield second


def _write(config: AsteriskConfig, second: Carrier) -> None:
    etc = config.folder / "etc"
    ours = rendered_dialplan(config)["tollgate.conf"]
    (etc / "tollgate.conf").write_text(ours, encoding="utf-8")
    written = f"{EXTENSIONS}{TRUNK_CONTEXTS}#tryinclude tollgate.conf\n"
    (etc / "extensions.conf").write_text(written, encoding="utf-8")
    (etc / "queues.conf").write_text(QUEUES, encoding="utf-8")
    (etc / "voicemail.conf").write_text(VOICEMAIL, encoding="utf-8")
    write_endpoints(config, second, context=PHONES)


def write_endpoints(config: AsteriskConfig, second: Carrier, *, context: str) -> None:
    """The phones in their context, and the second trunk."""
    pjsip = config.folder / "etc/pjsip.conf"
    text = pjsip.read_text(encoding="utf-8").replace("context = office", f"context = {context}")
    host, port = second.trunk
    first = f"contact_deny = {config.trunk_host}"
    text = text.replace(first, f"{first}\ncontact_deny = {host}")
    backup = BACKUP_ENDPOINT.format(media=config.sip_address, host=host, port=port)
    pjsip.write_text(text + backup, encoding="utf-8")


def write_gate(config: AsteriskConfig, gate: Gate) -> str:
    """Our parts of the dialplan, as files beside the admin's; the lines that include them."""
    ours = rendered_dialplan(config, gate)
    for name, text in ours.items():
        (config.folder / "etc" / name).write_text(text, encoding="utf-8")
    return "".join(f"#tryinclude {name}\n" for name in ours)


async def write_more(office: Office, before: str, after: str) -> None:
    """As the admin would: change the hand-written dialplan and reload it."""
    file = office.config.folder / "etc/extensions.conf"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(before, after), encoding="utf-8")
    await office.asterisk.cli("dialplan reload")
