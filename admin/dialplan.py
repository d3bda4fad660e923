"""`tollgate dialplan`: Tollgate's contexts, for an Asterisk that the admin configures."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from admin.checks.findings import Status
from admin.checks.site import shadowing
from admin.context import command, fail
from admin.dialplan_check import check, trace_number
from admin.output import say
from admin.readable import ASTERISK_USER, kept_from_asterisk, make_folder, write_readable
from assembly.routes import own_asterisk
from dialplan.office_routes import context_of, is_ours
from dialplan.phones import Phone
from dialplan.render import (
    HOOK_CONTEXT,
    OUR_CONTEXTS,
    TEMPLATES,
    TRUNK_CONTEXTS,
    Gate,
    RenderError,
    contexts_in,
    rendered_dialplan,
)
from settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Tollgate's part of the dialplan of your Asterisk.")


app.command("check")(check)
app.command("trace")(trace_number)


@app.command()
def render(
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to; else it is shown here.")
    ] = None,
    gate: Annotated[
        Gate,
        typer.Option(help="Where your dialplan meets it: docs/gate-placement.md."),
    ] = Gate.PHONES,
) -> None:
    """Write the contexts that the settings and the plan ask for.

    tollgate.conf is written anew each time: run this after a change of the plan,
    then `asterisk -rx 'dialplan reload'`. tollgate-trunk.conf (trunks, failover,
    caller ID) is yours: it is written once and then left alone.
    """
    with command():
        settings = load_settings()
        config = own_asterisk(settings)
        _refuse_and_warn(settings, config.phones)
        try:
            files = rendered_dialplan(config, gate)
        except RenderError as error:
            fail(str(error))
    if output is None:
        typer.echo("".join(files.values()), nl=False)
        return
    try:
        make_folder(output)
        lost = _contexts_lost(output / OUR_CONTEXTS, files[OUR_CONTEXTS])
        _write(output / OUR_CONTEXTS, files[OUR_CONTEXTS])
        if (output / TRUNK_CONTEXTS).exists():
            say(f"{output / TRUNK_CONTEXTS} is yours and stays as it is")
        else:
            _write(output / TRUNK_CONTEXTS, files[TRUNK_CONTEXTS])
        if HOOK_CONTEXT in files:
            _write(output / HOOK_CONTEXT, files[HOOK_CONTEXT])
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror}")
    _say_what_to_do(output, files, [office.name for office in config.offices], gate)
    if lost:
        say(
            f"{', '.join(lost)}: no longer there. A context of yours that includes them connects"
            " nothing any more, emergency calls neither",
            err=True,
        )


def _contexts_lost(file: Path, written: str) -> Sequence[str]:
    """Those of offices that the settings had when the file was written before."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    now = contexts_in(written)
    return [name for name in contexts_in(before) if is_ours(name) and name not in now]


def _say_what_to_do(folder: Path, files: Iterable[str], offices: Sequence[str], gate: Gate) -> None:
    """What an Asterisk of one's own needs besides these contexts."""
    custom = "extensions_custom.conf" if gate is Gate.FREEPBX else "extensions.conf"
    say(f"In {custom}, once; #include would leave you without any dialplan, 999 included,")
    say("when a file cannot be read:")
    for name in files:
        say(f"  #tryinclude {(folder / name).absolute()}")
    _say_where(gate, offices)
    say("Where you dial a phone, such as 1001, its Contact must not lead to the carrier:")
    say("  Gosub(tollgate-phone-contacts,s,1(1001)), then Dial(${GOSUB_RETVAL},…,i) if it is not")
    say("    empty; never Dial(PJSIP/1001). func_pjsip_aor and func_pjsip_contact must be loaded")
    say("  in pjsip.conf, each phone: contact_deny = every address of your trunks")
    say("In pjsip.conf, below the endpoint of your trunk, here [trunk]: what emergency calls dial,")
    say("  [emergency](trunk) with rtp_timeout = 0, rtp_timeout_hold = 0 and timers = no")
    say("In each Dial to a trunk, no option r, m or I: see [tollgate-trunk]")
    say(f"As in {TEMPLATES}, once:")
    say(
        "  the secret of the feature codes: openssl rand -hex 32 > FILE; chown asterisk FILE; chmod"
    )
    say("    chmod 640 FILE, of the group of who runs `tollgate serve`; [agi] secret_file = FILE")
    say("  cel.conf [general]: enable = yes, and ANSWER,HANGUP among its events; what is there for")
    say("    others stays, but a dateformat of your own must be %s.%q")
    say("  cel_custom.conf: the section [legs.json], beside your own; then, once,")
    say("    install -d -o asterisk -g asterisk /var/log/asterisk/cel-custom")
    say("    asterisk -rx 'module load cel_custom.so': declined at its start, no reload starts it")
    say("  pjsip.conf, taskprocessor_overload_trigger: else new calls are ignored, emergency")
    say("    calls too, while events wait for the application")
    say("  pjsip.conf, ignore_uri_user_options: else 999;phone-context=… is no emergency call")
    say("  indications.conf, country: whose ringing is heard until the carrier sends sound")
    say("  manager.conf, webenabled = yes: paid calls go on while AMI's own port is away")
    say("  manager.conf, disabledevents: a tenth of Asterisk's time, unless others read them")


def _say_where(gate: Gate, offices: Sequence[str]) -> None:
    """Which lines of the admin's own lead to the gate."""
    match gate:
        case Gate.PHONES:
            for office in offices:
                line = f"include => {context_of('', office)}"
                say(f"and in the context of the phones of {office}: {line}")
        case Gate.EXIT:
            for office in offices:
                there = context_of("exit", office)
                say(f"and for {office}, in the place of each Dial to a trunk, here [carrier]:")
                say("  Set(TOLLGATE_TRUNK=carrier), then")
                say(f"  Goto({there},${{FILTER(+0-9,${{EXTEN}})}},1)")
        case Gate.FREEPBX:
            say("and nothing else: FreePBX asks its hook before each trunk. What it dials past the")
            say("  hook is named by `tollgate dialplan check`: docs/freepbx.md")


def _refuse_and_warn(settings: Settings, phones: tuple[Phone, ...]) -> None:
    """Of phones whose extension is an emergency number, or hides a service."""
    for found in shadowing(settings, phones):
        if found.status is Status.PROBLEM:
            fail(f"{found.message}: {found.remedy}")
        say(f"{found.message}: {found.remedy}", err=True)


def _write(file: Path, text: str) -> None:
    write_readable(file, text)
    say(f"{file} written")
    kept = kept_from_asterisk(file)
    if kept is not None:
        say(
            f"{kept} keeps the user {ASTERISK_USER} from reading it: chmod o+rx {kept}, or another"
            " --output, such as /etc/asterisk/tollgate",
            err=True,
        )
