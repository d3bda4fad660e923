"""The office of an experienced admin before Tollgate comes, and what the admin then edits."""

from collections.abc import Mapping
from pathlib import Path

from lab.admins_office import EXTENSIONS, QUEUES, VOICEMAIL
from tests.install.root import Root

PHONES = ("1001", "1002")
PASSWORD = "of-the-trial-alone"  # noqa: S105 - on a loopback of its own
SIP = "127.64.0.1"
CARRIER = "127.64.0.2"
BACKUP = "127.64.0.3"

# As the admin had it, and as docs/install.md says to write it.
EDITS: Mapping[str, str] = {
    "exten => _9X.,1,Dial(PJSIP/${FILTER(0-9,${EXTEN:1})}@trunk,60)": (
        "exten => _9X.,1,Goto(tollgate,${FILTER(+0-9,${EXTEN:1})},1)"
    ),
    " same => n,Set(LOCAL(to)=PJSIP/${ARG1})\n same => n,Dial(${to},20)\n": (
        " same => n,Gosub(tollgate-phone-contacts,s,1(${ARG1}))\n"
        " same => n,GotoIf($[${LEN(${GOSUB_RETVAL})} = 0]?away)\n"
        " same => n,Dial(${GOSUB_RETVAL},20,i)\n"
    ),
    "exten => _100[12],1,Dial(PJSIP/${EXTEN},20)\n": (
        "exten => _100[12],1,Gosub(tollgate-phone-contacts,s,1(${EXTEN}))\n"
        " same => n,GotoIf($[${LEN(${GOSUB_RETVAL})} = 0]?away)\n"
        " same => n,Dial(${GOSUB_RETVAL},20,i)\n"
    ),
}
INCLUDED_BY_SETUP = ("include => tollgate-emergency\n", "include => tollgate\n")

PJSIP = f"""
[udp]
type = transport
protocol = udp
bind = {SIP}:5060

[phone](!)
type = endpoint
context = phones
disallow = all
allow = g722,alaw,ulaw
direct_media = no
rtp_symmetric = yes
media_address = {SIP}
bind_rtp_to_media_address = yes
force_rport = yes
rewrite_contact = yes
allow_transfer = no
contact_deny = {CARRIER}
contact_deny = {BACKUP}
"""
PHONE = """
[{phone}](phone)
auth = {phone}
aors = {phone}
callerid = "Desk {phone}" <{phone}>
[{phone}]
type = auth
auth_type = userpass
username = {phone}
password = {password}
[{phone}]
type = aor
max_contacts = 2
"""
TRUNK = """
[{name}]
type = endpoint
context = from-trunk
identify_by = ip
disallow = all
allow = alaw,ulaw
aors = {name}
direct_media = no
rtp_symmetric = yes
media_address = {sip}
bind_rtp_to_media_address = yes
allow_transfer = no
rtp_timeout = 60
rtp_timeout_hold = 600
timers = no
[{name}]
type = aor
contact = sip:{address}:5060
[{name}]
type = identify
endpoint = {name}
match = {address}
"""


def before(text: str) -> str:
    """The dialplan without a word of Tollgate's."""
    for included in INCLUDED_BY_SETUP:
        assert included in text
        text = text.replace(included, "")
    for own, edited in EDITS.items():
        assert edited in text, edited
        text = text.replace(edited, own)
    return text


def write(root: Root) -> None:
    """As the admin left it, with the rights that packages give."""
    phones = "".join(PHONE.format(phone=each, password=PASSWORD) for each in PHONES)
    trunks = "".join(
        TRUNK.format(name=name, address=address, sip=SIP)
        for name, address in (("trunk", CARRIER), ("backup", BACKUP))
    )
    files = {
        "extensions.conf": before(EXTENSIONS),
        "pjsip.conf": PJSIP + phones + trunks,
        "queues.conf": QUEUES,
        "voicemail.conf": VOICEMAIL,
    }
    for name, text in files.items():
        root.at(f"/etc/asterisk/{name}").write_text(text)
        root.run(f"chown asterisk:asterisk /etc/asterisk/{name}; chmod 640 /etc/asterisk/{name}")


def edit(root: Root) -> None:
    """The admin reads the document, and edits the dialplan."""
    _replace(root.at("/etc/asterisk/extensions.conf"), EDITS)
    root.run("asterisk -rx 'dialplan reload'")


def edit_back(root: Root) -> None:
    back = {edited: own for own, edited in EDITS.items()}
    _replace(root.at("/etc/asterisk/extensions.conf"), back)


def _replace(file: Path, pairs: Mapping[str, str]) -> None:
    text = file.read_text()
    for old, new in pairs.items():
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text)
